"""The count: accepted = delivered + bounced + queued, each once, but for the window in which nobody can know."""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

from rookery.v1 import submission_pb2 as records

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rookery.v1.submission_pb2 import Submission
    from tests.mail_soak.world_outside import Copy


@dataclass(frozen=True)
class Count:
    """What became of all recipients of all letters that were accepted."""

    letters: int
    accepted: int
    """Recipients."""
    here: int
    elsewhere: int
    bounced: int
    queued: int
    twice_unanswered: int
    """Copies beyond the first because the host had taken one without an answer."""
    twice_killed: int
    """Copies beyond the first because the server was killed between the host's answer and its own commit."""
    left_in_doubt: int
    """Messages that a host had, or had not, and gave no answer to."""
    kills: int

    def line(self) -> str:
        """In one line."""
        sums = f"{self.here} delivered here + {self.elsewhere} elsewhere + {self.bounced} bounced + {self.queued} queued"
        twice = f"{self.twice_unanswered} after no answer and {self.twice_killed} after a kill"
        whole = f"{self.kills} kills, {self.letters} letters, {self.accepted} recipients = {sums}"
        return f"{whole}; {self.left_in_doubt} messages left in doubt by their host, copies too many: {twice}"


def count(
    submissions: Sequence[Submission], arrived_here: Counter[str], copies: Sequence[Copy], kills: Sequence[float], in_doubt: int
) -> Count:
    """Compares what the server says with what has arrived. ``arrived_here``: how often, by Message-ID; ``kills``: when.

    AssertionError where they differ.
    """
    told = Counter(each.state for submission in submissions for each in submission.recipients)
    copies_of: defaultdict[tuple[str, str], list[Copy]] = defaultdict(list)
    for copy in copies:
        copies_of[copy.message_id, copy.recipient].append(copy)
    unanswered = killed = 0
    for submission in submissions:
        message_id = f"{_uuid(submission.item_id)}@rookery.test"
        for each in submission.recipients:
            found = copies_of.pop((message_id, each.person.address), [])
            _require_fitting(each.state, len(found), arrived_here[message_id], each.person.address)
            for first, second in pairwise(found):
                if not first.answered:
                    unanswered += 1
                else:
                    assert any(first.at <= at <= second.at for at in kills), f"{each.person.address} has it twice, and nobody died"
                    killed += 1
    assert not copies_of, f"arrived, and was never submitted: {list(copies_of)[:5]}"
    return Count(
        letters=len(submissions),
        accepted=sum(len(submission.recipients) for submission in submissions),
        here=told[records.DELIVERY_STATE_DELIVERED],
        elsewhere=told[records.DELIVERY_STATE_RELAYED],
        bounced=told[records.DELIVERY_STATE_FAILED],
        queued=told[records.DELIVERY_STATE_QUEUED] + told[records.DELIVERY_STATE_DEFERRED],
        twice_unanswered=unanswered,
        twice_killed=killed,
        left_in_doubt=in_doubt,
        kills=len(kills),
    )


def _require_fitting(state: int, copies: int, here: int, address: str) -> None:
    """What the server says of a recipient is what happened."""
    if state == records.DELIVERY_STATE_DELIVERED:
        assert here == 1, f"{here} copies in the mailbox of {address}"
    elif state == records.DELIVERY_STATE_RELAYED:
        assert copies >= 1, f"{address} should have it"
    elif state == records.DELIVERY_STATE_FAILED:
        assert copies == 0, f"{address} has it"


def _uuid(item_id: bytes) -> str:
    text = item_id.hex()
    return "-".join((text[:8], text[8:12], text[12:16], text[16:20], text[20:]))
