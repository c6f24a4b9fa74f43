"""What `sync` tells while it runs, and at its end."""

from __future__ import annotations

import sys
from collections import Counter
from typing import TYPE_CHECKING, Any

import click

from rookery.v1.item_pb2 import Item, ItemState, ItemSummary
from rookery.v1.sync_pb2 import PushOutcome, RemovalReason
from rookery_client.cli.changes import change_view, described
from rookery_client.cli.folder_names import paths
from rookery_client.cli.json_view import emit, emit_line, identifier, item_view, view
from rookery_client.cli.terminal import clean
from rookery_client.replica.engine.states import Failed, Filling, Stopped
from rookery_client.replica.reading.reader import Reader
from rookery_core.rules.ids import text_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from rookery.internal.v1.packed_pb2 import PackedPullResponse
    from rookery.v1.sync_pb2 import PushResult
    from rookery_client.cli.progress import Show
    from rookery_client.replica.engine.states import EngineState
    from rookery_client.replica.incoming.applying import Applied
    from rookery_client.replica.replica import Replica
    from rookery_core.errors import DataLoss


def tell_damage(error: DataLoss) -> None:
    """Tells that the replica is replaced."""
    click.echo(f"rookery: {clean(error.message)}", err=True)


class Report:
    """Hears of everything from an engine. `replica` gives the one that the engine keeps."""

    def __init__(self, replica: Callable[[], Replica], show: Show, *, watch: bool, as_json: bool) -> None:
        self._replica = replica
        self._show = show
        self._watch = watch
        self._as_json = as_json
        self._counts: Counter[str] = Counter()
        self._outcomes: dict[bytes, PushOutcome.ValueType] = {}
        self._last: EngineState | None = None
        self._caught_up = False

    def state(self, state: EngineState) -> None:
        """A new state: a bar, or, where changes are watched, a line on stderr whenever it is one of another kind."""
        before, self._last = self._last, state
        if not self._watch:
            if isinstance(state, Failed) and not state.final:
                click.echo(f"rookery: {clean(str(state))}", err=True)
            elif isinstance(state, Filling):
                self._show(str(state), state.done, state.total)
            else:
                self._show(str(state))
        elif type(before) is not type(state) and not isinstance(state, Stopped) and not (isinstance(state, Failed) and state.final):
            print(f"rookery: {clean(str(state))}", file=sys.stderr)

    def applied(self, batch: PackedPullResponse, applied: Applied) -> None:
        """A batch was written."""
        self._caught_up = self._caught_up or applied.caught_up
        self._counts.update(came=applied.added, changed=applied.changed, removed=applied.removed)
        if self._watch and not batch.HasField("progress"):
            for event in self._events(batch):
                self._print(event)

    def answered(self, results: Sequence[PushResult]) -> None:
        """Changes made here were answered."""
        self._outcomes.update((result.operation_id, result.outcome) for result in results)

    def finish(self) -> bool:
        """Tells how it ended; whether it came to its end, and all that was done here was accepted."""
        status = self._replica().status()
        refused = [
            (operation, result)
            for operation, result in self._replica().rejected()
            if self._outcomes.get(operation.operation_id) == PushOutcome.PUSH_OUTCOME_REJECTED
        ]
        conflicts = [key for key, outcome in self._outcomes.items() if outcome == PushOutcome.PUSH_OUTCOME_CONFLICT]
        figures = {name: self._counts[name] for name in ("came", "changed", "removed")} | {"sent": len(self._outcomes)}
        if self._as_json and not self._watch:
            counts = {"items": status.items, "folders": status.folders, "waiting": status.waiting, "lost": status.lost}
            counts["conflicts"] = len(conflicts)
            rejected = [change_view(*each) for each in refused]
            emit({"caught_up": self._caught_up, "revision": status.caught_up_revision, **figures, **counts, "rejected": rejected})
        elif not self._as_json:
            told = ", ".join(f"{count:,} {name}" for name, count in figures.items())
            end = f"Up to date at revision {status.caught_up_revision}" if self._caught_up else "Stopped before the end"
            click.echo(f"{end}: {told}; {status.items:,} items here")
        for operation, result in refused:
            said = f"{described(operation)}: {result.error.message} (`rookery changes list`)"
            click.echo(f"rookery: refused: {clean(said)}", err=True)
        if conflicts:
            parts = "a change" if len(conflicts) == 1 else f"{len(conflicts):,} changes"
            click.echo(f"rookery: {parts} met others to the same items: `rookery conflicts list`", err=True)
        if status.lost:
            parts = "an item" if status.lost == 1 else f"{status.lost:,} items"
            click.echo(f"rookery: the restored server lacks {parts}, and not all of it is here: `rookery changes lost`", err=True)
        return self._caught_up and not refused

    def _print(self, event: dict[str, Any]) -> None:
        if self._as_json:
            emit_line(event)
        else:
            words = (event["event"], event.get("folder_path"), event.get("subject"), event.get("id"))
            click.echo("  ".join(clean(word) for word in words if word))

    def _events(self, batch: PackedPullResponse) -> Iterator[dict[str, Any]]:
        """What a batch brought, a document each; in lists `subject` and `folder_path` are for people."""
        reader = Reader(self._replica())
        places = paths(reader.folders())
        for folder in batch.folders:
            yield {
                "event": "folder",
                "id": text_of(folder.id),
                "folder_path": places.get(folder.id, folder.name),
                "folder": view(folder),
            }
        for removed in batch.removed_folders:
            yield {"event": "folder removed", "id": text_of(removed.folder_id)}
        for entry in batch.items:
            item = Item(id=entry.item.id, folder_id=entry.item.folder_id, revision=entry.item.revision, uid=entry.item.uid)
            item.summary.CopyFrom(ItemSummary.FromString(entry.item.summary))
            item.state.CopyFrom(ItemState.FromString(entry.item.state))
            yield _event("came", item, places) | {"item": item_view(item)}
        known = {item.id: item for item in reader.items([change.item_id for change in batch.changes])}
        for change in batch.changes:
            item = known.get(change.item_id, Item(id=change.item_id))
            word = "moved" if change.HasField("place") else "marked"
            yield _event(word, item, places) | {"state": view(item.state), "folder_id": identifier(item.folder_id)}
        for removal in batch.removals:
            left = removal.reason == RemovalReason.REMOVAL_REASON_LEFT_SCOPE
            yield {"event": "left scope" if left else "removed", "id": text_of(removal.item_id)}


def _event(word: str, item: Item, places: dict[bytes, str]) -> dict[str, Any]:
    return {
        "event": word,
        "id": text_of(item.id),
        "folder_path": places.get(item.folder_id),
        "subject": item.summary.subject,
    }
