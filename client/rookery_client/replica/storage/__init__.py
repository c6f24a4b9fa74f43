"""The replica's file: its tables, its transactions, and the rows that others write and read."""
