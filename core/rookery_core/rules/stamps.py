"""Stamps: who edited a merge unit last, and what a later edit had seen of it (SYNC.md, Push rule 3).

An edit has *seen* a stamp if its base revision is not below the stamp's, or if the stamp is its own device's. A seen edit applies,
and its stamp is later than the one it saw, whatever its clock says. Only unseen, concurrent edits compare, by (edit time, device):
the later wins, in whichever order they arrive.
"""

from __future__ import annotations

import enum
from typing import NamedTuple


class Stamp(NamedTuple):
    """Who edited a unit last."""

    edited: int
    """The editor's time, microseconds since 1970."""
    device_id: bytes
    """The session of the device."""
    revision: int
    """At which the server took it in."""


class Edit(NamedTuple):
    """An edit that is to be merged: by whom, when, and knowing what."""

    edited: int
    """Microseconds since 1970, not ahead of the server's clock: see ``clamped``."""
    device_id: bytes
    base_revision: int
    """The greatest revision that the device had seen of the item."""


class Verdict(enum.Enum):
    """How an edit of a unit stands to the stamp that it meets."""

    SEEN = "seen"
    """It knew: it applies."""
    WINS = "wins"
    """It did not know, and is the later one: it applies, and the other loses."""
    LOSES = "loses"
    """It did not know, and is the earlier one."""


def clamped(edited: int, now: int) -> int:
    """The time of an edit by a device's clock, with what lies ahead of the server's counted as now."""
    return min(edited, now)


def judge(stamp: Stamp | None, edit: Edit) -> Verdict:
    """How the edit stands to the stamp of a unit. A unit without a stamp was never edited since it was created: seen."""
    if stamp is None or stamp.revision <= edit.base_revision or stamp.device_id == edit.device_id:
        return Verdict.SEEN
    return Verdict.WINS if (edit.edited, edit.device_id) > (stamp.edited, stamp.device_id) else Verdict.LOSES


def is_unseen(stamp: Stamp | None, edit: Edit) -> bool:
    """Whether another device left the stamp without this edit knowing."""
    return judge(stamp, edit) is not Verdict.SEEN


def stamped(stamp: Stamp | None, edit: Edit, revision: int) -> Stamp:
    """The stamp that an edit which applies leaves at a revision."""
    seen = stamp is not None and not is_unseen(stamp, edit)
    edited = max(edit.edited, stamp.edited + 1) if stamp is not None and seen else edit.edited
    return Stamp(edited, edit.device_id, revision)
