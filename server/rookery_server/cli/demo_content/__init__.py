"""What the demonstration's two people find in their mailboxes: invented, the same each time but for its dates."""
