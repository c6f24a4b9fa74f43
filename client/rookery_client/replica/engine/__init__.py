"""The engine: keeps a replica equal to its mailbox, and the mailbox told of what was done here."""
