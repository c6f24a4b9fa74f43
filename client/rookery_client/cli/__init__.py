"""The `rookery` command: one module per noun."""
