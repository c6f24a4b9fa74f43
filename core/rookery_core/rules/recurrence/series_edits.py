"""Edits that give a series other occurrences: its exceptions follow.

The merge of edits lets all exceptions of a series fall with its rule, but for those that come with the new one (SYNC.md, Push rule
2). So whoever changes the rule, or the start, sends the exceptions that stay along with it: that is done here, for the server's own
calls and for the outbox of a replica.
"""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

from rookery.v1.item_pb2 import ITEM_KIND_APPOINTMENT, Item
from rookery_core.rules import units
from rookery_core.rules.recurrence import splitting
from rookery_core.rules.recurrence.starts import Budget

if TYPE_CHECKING:
    from rookery.v1.calendar_pb2 import AppointmentSummary, OccurrenceException
    from rookery_core.rules.merging import Changes

_STARTS = 200_000
"""Starts that are looked at to find out which exceptions are left without an occurrence; if they do not suffice, all stay."""


def completed(stored: Item, changes: Changes) -> tuple[Changes, list[OccurrenceException]]:
    """The changes with the exceptions that stay, and those that do not.

    As they were, and none, where they say themselves which exceptions there are, or where the series stays as it is.
    """
    if stored.summary.kind != ITEM_KIND_APPOINTMENT or units.EXCEPTIONS in changes.lists:
        return changes, []
    if not stored.summary.appointment.exceptions or units.TIME not in changes.paths.values():
        return changes, []
    after = Item()
    after.CopyFrom(stored)
    changes.apply(after, lambda _: True)
    found = staying(stored.summary.appointment, after.summary.appointment)
    if found is None:
        return changes, []
    kept, dropped = found
    wanted = Item()
    wanted.CopyFrom(changes.wanted)
    units.EXCEPTIONS.replace(wanted, kept)
    return dataclasses.replace(changes, wanted=wanted, mask=(*changes.mask, units.EXCEPTIONS.path)), dropped


def staying(
    before: AppointmentSummary, after: AppointmentSummary
) -> tuple[list[OccurrenceException], list[OccurrenceException]] | None:
    """The exceptions of ``after`` that stay, and those that have no occurrence any more; None if the series is as it was."""
    if before.recurrence == after.recurrence and before.start == after.start:
        return None
    dropped = splitting.orphans(before, after, Budget(_STARTS))
    return [each for each in after.exceptions if each not in dropped], dropped
