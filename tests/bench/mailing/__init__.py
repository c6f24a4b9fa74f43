"""Mail on its way out, measured beside Postfix."""
