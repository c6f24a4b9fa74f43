"""What became of the mail that was sent, as GetSubmission and ListSubmissions tell it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rookery_client.replica.storage import submissions
from rookery_client.replica.storage.submissions import Wanted
from rookery_client.replica.view import submission_view
from rookery_core.errors import NotFound
from rookery_core.rules import submission_states

if TYPE_CHECKING:
    from rookery.v1.submission_pb2 import Submission
    from rookery_client.replica.replica import Replica
    from rookery_core.rules.clock import Clock

Place = tuple[int, bytes]
"""When a submission was submitted, in microseconds, and its id: where a list goes on behind it."""


class Submissions:
    """Reads one replica's submissions, those among them that wait to be pushed. May be shared between threads."""

    def __init__(self, replica: Replica, clock: Clock) -> None:
        self._database = replica.database
        self._clock = clock

    def get(self, submission_id: bytes) -> Submission:
        """One of them. NotFound ``SUBMISSION_NOT_FOUND``."""
        now = self._clock.micros()
        with self._database.reading() as connection:
            found = submission_view.find(connection, submission_id)
        if found is None:
            raise NotFound("SUBMISSION_NOT_FOUND", "the mailbox has no such submission", field="submission_id")
        return _at(found, now)

    def page(
        self, *, item_id: bytes = b"", unfinished: bool = False, after: Place | None = None, size: int = 50
    ) -> tuple[list[Submission], Place | None]:
        """A page, newest first: those of the last 30 days, and older ones that have not arrived everywhere; the next page's place.

        ``item_id``: those of this item alone. ``unfinished``: those alone that have not arrived everywhere.
        """
        now = self._clock.micros()
        since = submissions.NEVER if unfinished else now - submissions.KEPT_MICROS
        wanted = Wanted(item_id, since, after, size + 1)
        with self._database.reading() as connection:
            touched = submission_view.touched(connection)
            found = submissions.untouched(connection, wanted)
        found += [record for record in touched if wanted.takes(record)]
        found.sort(key=submissions.place_of, reverse=True)
        last = submissions.place_of(found[size - 1]) if len(found) > size else None
        return [_at(record, now) for record in found[:size]], last


def _at(record: Submission, now: int) -> Submission:
    """The record as it is now."""
    record.state = submission_states.state_at(record, now)
    return record
