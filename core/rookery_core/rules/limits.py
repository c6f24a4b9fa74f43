"""How much a record of an item holds: the limits that the contract's comments promise.

``rookery_core.rules.validation`` refuses what a client writes beyond them. The parsers of ``rookery_core.formats`` cut, or leave
out, what a document says beyond them, so that whatever was imported can be edited later; the document itself keeps all of it.
"""

from __future__ import annotations

SUBJECT = 1000
"""Characters of a subject."""
LOCATION = 1000
"""Characters of the place of an appointment, of one of its occurrences, or of a task."""
URL = 2000
"""Characters of an appointment's link."""
SHORT_TEXT = 255
"""Characters of a message class, of an attachment's name and media type, and of what a flag asks for."""
CONTENT_ID = 998
"""Characters of a Content-ID: one line (RFC 5322 section 2.1.1)."""
ZONE = 255
"""Characters of a time zone's name."""
PREVIEW = 200
"""Characters of a preview."""
DISPLAY = 255
"""Characters of a list of people in one line."""

BODY_BYTES = 4 << 20
"""Bytes of UTF-8 of each form of a text."""
PHOTO_BYTES = 512 << 10
"""Bytes of a contact's photo."""
SOURCE_BYTES = 1 << 20
"""Bytes of the document that an item came from."""
SUMMARY_BYTES = 2 << 20
"""Bytes of a summary, encoded: a page of a list holds at least one."""
RECORD_BYTES = 20 << 20
"""Bytes of summary and content together, encoded: a request that writes them stays below the 24 MiB that a server receives."""

RECIPIENTS = 10_000
"""Recipients of a message."""
ATTACHMENTS = 1000
"""Attachments of an item."""
PROPERTIES = 1000
"""Extended properties of an item."""
VALUES = 10_000
"""Values of one extended property."""
PROPERTY_NAME = 254
"""Characters of the name of an extended property (MS-OXCDATA 2.6.1)."""

RULES = 50
"""Rules of a series, and as many rules of exclusion."""
RULE = 1000
"""Characters of a rule."""
DATES = 5000
"""Further dates of a series, and as many excluded dates."""
EXCEPTIONS = 5000
"""Occurrences of a series that differ from it."""
ATTENDEES = 5000
"""Attendees of a meeting."""

CONTACT_ENTRIES = 100
"""E-mail addresses of a contact; as many of its telephone numbers, postal addresses, links and so on."""
MEMBERS = 5000
"""Members of a distribution list."""

FIRST_SECOND = -62_135_596_800
"""The earliest second of a google.protobuf.Timestamp: 0001-01-01T00:00:00Z."""
LAST_SECOND = 253_402_300_799
"""The last one: 9999-12-31T23:59:59Z."""
