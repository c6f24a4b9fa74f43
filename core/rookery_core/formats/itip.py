"""iTIP (RFC 5546): what a text/calendar part says of a meeting or an assigned task, and the part that says it.

``read(write(itip)) == itip`` for all that an ``Itip`` holds and others have a right to know; what is the owner's alone (reminder,
categories, HTML beside the text) is not written.
"""

from __future__ import annotations

from rookery_core.formats.itip_reading import read
from rookery_core.formats.itip_writing import write

__all__ = ["read", "write"]
