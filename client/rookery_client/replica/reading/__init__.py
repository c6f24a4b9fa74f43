"""Reading a replica: lists, items, contents, and search."""
