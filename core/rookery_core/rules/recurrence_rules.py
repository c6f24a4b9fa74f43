"""What a rule of recurrence looks like (RFC 5545 section 3.3.10), as far as this server looks into one."""

from __future__ import annotations

import re

from rookery_core.rules import limits

_FREQUENCY = re.compile(r"(?:\A|;)FREQ=(?:SECONDLY|MINUTELY|HOURLY|DAILY|WEEKLY|MONTHLY|YEARLY)(?:;|\Z)", re.IGNORECASE)
_PARTS = re.compile(r"[A-Za-z-]+=[!-:<>-~]+(?:;[A-Za-z-]+=[!-:<>-~]+)*\Z")


def is_rule(text: str) -> bool:
    """Whether it is the value of an RRULE or EXRULE: parts ``NAME=value`` of printable ASCII with one of RFC 5545's frequencies.

    The values of the other parts are not looked at: what comes of them is the business of who expands the series.
    """
    return len(text) <= limits.RULE and _PARTS.match(text) is not None and _FREQUENCY.search(text) is not None
