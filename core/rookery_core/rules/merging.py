"""Merging edits of an item by unit: the one rule for edits made on line, offline, and restored from a conflict.

Two edits that did not see each other give the same content in whichever order they arrive. What a unit lost by is not dropped: the
result names it, and whoever writes the result keeps the version that lost.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

from rookery.v1.item_pb2 import Item
from rookery.v1.item_service_pb2 import ListEdits
from rookery_core.rules import list_edits, ownership, stamps, units
from rookery_core.rules.stamps import Verdict

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from collections.abc import Set as AbstractSet

    from rookery_core.rules.stamps import Edit, Stamp
    from rookery_core.rules.units import KeyedList

_SCHEDULE = "summary.appointment.recurrence"


@dataclass(frozen=True)
class Changes:
    """What an edit asks for."""

    wanted: Item
    """Has the new values of the fields that the mask names."""
    mask: tuple[str, ...]
    """Paths below summary and content, each writable. Of ``units.whole_units``, where the edit is to meet others."""
    edits: ListEdits = field(default_factory=ListEdits)
    """Beside them: lists edited by entry, none of which the mask names."""

    @cached_property
    def paths(self) -> dict[str, str]:
        """The paths to set, each within one unit, with their units."""
        return {each: unit for path in self.mask for each, unit in units.units_of(path).items()}

    @cached_property
    def lists(self) -> list[KeyedList]:
        """The lists to replace whole."""
        return list(dict.fromkeys(named for path in self.mask for named in units.lists_of(path)))

    @cached_property
    def entries(self) -> frozenset[str]:
        """The units of list entries that are edited by name."""
        return frozenset(list_edits.units_of(self.edits))

    def units(self, stored: Item) -> set[str]:
        """All units that are touched: of a list that is replaced whole, the entries before and after."""
        touched = {*self.paths.values(), *self.entries}
        for named in self.lists:
            touched.update(named.by_unit(stored), named.by_unit(self.wanted))
        return touched - {""}

    def apply(self, item: Item, taken: Callable[[str], bool]) -> None:
        """Changes those units of an item that are taken."""
        for path, unit in self.paths.items():
            if taken(unit) and (units.is_set(self.wanted, path) or units.is_set(item, path)):
                ownership.apply_mask(item, self.wanted, units.fields_of(path))
        for named in self.lists:
            _replace(named, item, self.wanted, taken)
        list_edits.apply(item, list_edits.only(self.edits, taken), provisional=False)


@dataclass
class Merged:
    """What came of an edit."""

    item: Item
    """The item with what applies of the edit: neither completed nor validated."""
    stamps: set[str]
    """Units that the edit leaves its stamp on."""
    lost: set[str]
    """Units in which the edit lost against what is there."""
    beaten: dict[bytes, set[str]]
    """Units in which what was there lost against the edit, by the device that it came from."""


def merge(stored: Item, changes: Changes, known: Mapping[str, Stamp], edit: Edit) -> Merged:
    """Merges an edit into an item, given the stamps of its units. ``stored`` has summary and content, and stays as it is."""
    return _Merging(stored, changes, known, edit).run()


def take_units(target: Item, source: Item, taken: Iterable[str]) -> None:
    """Gives an item those units as another version of it has them: a restored conflict, or an older loss beside a newer one."""
    wanted = set(taken)
    for unit in wanted:
        for path in units.paths_of(unit):
            if units.is_set(source, path):
                ownership.apply_mask(target, source, units.fields_of(path))
    for named in units.KEYED_LISTS.values():
        if _has_prefix(wanted, named.prefix):
            _replace(named, target, source, wanted.__contains__)


def _replace(named: KeyedList, item: Item, wanted: Item, taken: Callable[[str], bool]) -> None:
    """Makes a list the wanted one, but for entries that are not taken: they stay as they are, there or not there."""
    stored, new = named.by_unit(item), named.by_unit(wanted)
    entries: list[Any] = []
    for entry in named.entries(wanted):
        unit = named.unit_of(entry)
        if not unit or taken(unit):
            entries.append(entry)
        elif unit in stored:
            entries.append(stored[unit])
    entries += [entry for unit, entry in stored.items() if unit not in new and not taken(unit)]
    if named is units.EXCEPTIONS:
        entries.sort(key=lambda entry: (entry.original_start.local, entry.original_start.time_zone))
    if entries != list(named.entries(item)):
        named.replace(item, entries)


class _Merging:
    """One merge, step by step."""

    def __init__(self, stored: Item, changes: Changes, known: Mapping[str, Stamp], edit: Edit) -> None:
        self._stored = stored
        self._changes = changes
        self._known = known
        self._edit = edit
        self._absent = self._not_named()
        self._verdicts = {unit: self._judge(unit) for unit in changes.units(stored)}
        whole = Item()
        whole.CopyFrom(stored)
        changes.apply(whole, lambda unit: unit not in self._absent)
        self._changed = differing(stored, whole, changes)
        self._new_rule = whole.summary.appointment.recurrence != stored.summary.appointment.recurrence
        self._bar_exceptions()
        self._bar_past()
        self._whole = whole

    def run(self) -> Merged:
        losing = {unit for unit, verdict in self._verdicts.items() if verdict is Verdict.LOSES}
        lost = (losing & self._changed) - self._absent
        merged = self._whole
        if losing - self._absent:
            merged = Item()
            merged.CopyFrom(self._stored)
            self._changes.apply(merged, lambda unit: unit not in losing and unit not in self._absent)
        beaten: dict[bytes, set[str]] = {}
        for unit in self._changed - self._absent:
            if self._verdicts[unit] is Verdict.WINS:
                beaten.setdefault(self._known[unit].device_id, set()).add(unit)
        result = Merged(merged, self._to_stamp(losing), lost, beaten)
        self._drop_exceptions(result)
        self._order(result)
        return result

    def _judge(self, unit: str) -> Verdict:
        return stamps.judge(self._known.get(unit), self._edit)

    def _not_named(self) -> set[str]:
        """Entries that a list replaced whole does not have, put there by others unseen: the device can not have meant them.

        Of attendees it means none that others have changed unseen, or taken off: those that it has it only knew so.
        """
        absent: set[str] = set()
        for named in self._changes.lists:
            wanted, stored = named.by_unit(self._changes.wanted), named.by_unit(self._stored)
            known = {*stored, *wanted} if named is units.ATTENDEES else stored.keys() - wanted.keys()
            absent.update(filter(self._is_unseen, known))
        return absent

    def _is_unseen(self, unit: str) -> bool:
        return stamps.is_unseen(self._known.get(unit), self._edit)

    def _bar_exceptions(self) -> None:
        """Exceptions made for a rule that does not hold (any more) lose, whenever they were made."""
        time = self._verdicts.get(units.TIME)
        own_rule_lost = time is Verdict.LOSES and self._new_rule
        foreign_rule = self._is_unseen(units.RULE) and time in {None, Verdict.LOSES}
        if own_rule_lost or foreign_rule:
            mine = units.EXCEPTIONS.by_unit(self._changes.wanted) if units.EXCEPTIONS in self._changes.lists else {}
            self._verdicts.update(dict.fromkeys(mine, Verdict.LOSES))

    def _bar_past(self) -> None:
        """Time and progress of a series' task that is completed by now lose: they do not hold for the one that came after it."""
        if self._is_unseen(units.OCCURRENCE):
            self._verdicts.update({unit: Verdict.LOSES for unit in (units.TIME, units.PROGRESS) if unit in self._verdicts})

    def _drop_exceptions(self, result: Merged) -> None:
        """Where the rule of a series has changed, only exceptions that came with the new rule stay."""
        before, after = self._stored.summary.appointment, result.item.summary.appointment
        if before.recurrence == after.recurrence:
            return
        result.stamps.add(units.RULE)
        kept = units.EXCEPTIONS.by_unit(self._changes.wanted) if units.EXCEPTIONS in self._changes.lists else {}
        for unit in units.EXCEPTIONS.by_unit(self._stored):
            if unit not in kept and self._is_unseen(unit):
                result.beaten.setdefault(self._known[unit].device_id, set()).add(unit)
        if units.EXCEPTIONS.entries(result.item):
            staying = [entry for unit, entry in units.EXCEPTIONS.by_unit(result.item).items() if unit in kept]
            units.EXCEPTIONS.replace(result.item, staying)

    def _to_stamp(self, losing: AbstractSet[str]) -> set[str]:
        """The units that the edit leaves its stamp on.

        Even where it changes nothing: an edit by another device, made before this one and arriving after it, is to find it. But
        of a list that is replaced whole only what changed; exceptions are stamped all, since no device can send them one by one,
        and their removal is not: what others put there stays.
        """
        stamped = {*self._changes.paths.values(), *self._changes.entries}
        for named in self._changes.lists:
            touched = set(named.by_unit(self._changes.wanted))
            if named is not units.EXCEPTIONS:
                touched = (touched | set(named.by_unit(self._stored))) & self._changed
            stamped |= touched
        return stamped - losing - self._absent - {""}

    def _order(self, result: Merged) -> None:
        """Where a list was edited by entry since the base, the order of arrival is to leave no trace in the order of its entries.

        Those edited since then come behind the rest, by their stamps.
        """
        for named in (units.RECIPIENTS, units.PROPERTIES):
            if not _has_prefix(self._changes.entries, named.prefix):
                continue
            stamped = (stamp for unit, stamp in self._known.items() if unit.startswith(named.prefix))
            if any(stamp.revision > self._edit.base_revision for stamp in stamped):
                entries = named.by_unit(result.item)
                ranks = {unit: self._rank(unit, result) for unit in entries}
                named.replace(result.item, [entries[unit] for unit in sorted(entries, key=ranks.__getitem__)])

    def _rank(self, unit: str, result: Merged) -> tuple[int, bytes, str]:
        """Where an entry comes; all that were edited before the base come first, in the order in which they are."""
        stamp = self._known.get(unit)
        if unit in result.stamps:
            stamp = stamps.stamped(stamp, self._edit, self._edit.base_revision + 1)
        if stamp is None or stamp.revision <= self._edit.base_revision:
            return (-1, b"", "")
        return (max(stamp.edited, 0), stamp.device_id, unit)


def differing(stored: Item, whole: Item, changes: Changes) -> set[str]:
    """The touched units whose values are not the same in both."""
    differing = {unit for path, unit in changes.paths.items() if _value(stored, path) != _value(whole, path)}
    lists = [named for named in units.KEYED_LISTS.values() if named in changes.lists or _has_prefix(changes.entries, named.prefix)]
    for named in lists:
        before, after = named.by_unit(stored), named.by_unit(whole)
        differing.update(unit for unit in {*before, *after} if before.get(unit) != after.get(unit))
    return differing - {""}


def _has_prefix(names: Iterable[str], prefix: str) -> bool:
    return any(name.startswith(prefix) for name in names)


def _value(item: Item, path: str) -> object:
    """What an item has at a path, to be compared: None for a field that has presence and is absent."""
    at: Any = item
    fields = units.fields_of(path)
    for each in fields[:-1]:
        at = getattr(at, each.name)
    leaf = fields[-1]
    if leaf.has_presence and not at.HasField(leaf.name):
        return None
    value = getattr(at, leaf.name)
    return list(value) if leaf.is_repeated else value
