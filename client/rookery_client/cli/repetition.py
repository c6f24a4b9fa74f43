"""How often appointments and tasks recur, in words."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rookery.v1.item_pb2 import ItemKind
from rookery_core.formats.recurrence_words import described
from rookery_core.rules import task_series

if TYPE_CHECKING:
    from rookery.v1.item_pb2 import Item


def repetition(item: Item) -> str:
    """When it is on again: "every week on Monday, until Monday, 21 December 2026"; "" for what does not recur."""
    summary = item.summary
    if summary.kind == ItemKind.ITEM_KIND_APPOINTMENT:
        return described(summary.appointment.recurrence, summary.appointment.start)
    task = summary.task
    if summary.kind != ItemKind.ITEM_KIND_TASK or not task_series.recurs(task):
        return ""
    words = described(task.recurrence, task.start if task.HasField("start") else task.due)
    return f"{words}, from its completion" if task.regenerating else words
