"""Meetings and assigned tasks between people: who is told what, and what a message from somebody else changes (RFC 5546).

Pure rules over items and ``Itip`` messages. ``rookery_core.formats.itip`` reads and writes the latter as iCalendar.
"""
