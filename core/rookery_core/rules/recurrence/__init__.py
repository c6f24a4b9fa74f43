"""Series of appointments and tasks (RFC 5545 section 3.8.5): rules read, starts computed, occurrences merged with their exceptions.

All of it counts in wall-clock time of the series' zone, and becomes instants at the very end, so that a series keeps its hour when
the clocks change. All work is bounded: whoever asks hands in a ``Budget``, and is told if it did not suffice.
"""
