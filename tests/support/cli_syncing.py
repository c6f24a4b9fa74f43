"""A mailbox that the command `rookery sync` keeps replicas of."""

from __future__ import annotations

import contextlib

from google.rpc import code_pb2

from rookery.v1 import sync_service_pb2 as pb
from rookery.v1.folder_pb2 import Folder
from rookery.v1.item_pb2 import Item, ItemKind
from rookery.v1.item_service_pb2 import CreateItemRequest
from rookery.v1.sync_pb2 import PushOutcome, SyncOperation
from rookery_client.replica.replica import Replica
from rookery_core.errors import FailedPrecondition, RookeryError, Unavailable
from tests.support.cli_fakes import PROJECTS, Box
from tests.support.client_fakes import refuse
from tests.support.fakes import FakeClock, SequentialIds
from tests.support.sync_fakes import INBOX, SmallMailbox

CLOCK = FakeClock()
IDS = SequentialIds(CLOCK)
_CODES = {Unavailable: code_pb2.UNAVAILABLE, FailedPrecondition: code_pb2.FAILED_PRECONDITION}


class Synchronised(Box):
    """A mailbox that replicas are kept of."""

    def __init__(self) -> None:
        super().__init__()
        self.small = SmallMailbox(page=50)
        self.conflicting = False

    async def pull(self, request, context):
        self.asked.append(request)
        try:
            async for batch in self.small.pull(request):
                yield batch
                if request.follow and batch.caught_up:
                    await self.follow()
        except RookeryError as error:
            await refuse(context, _CODES[type(error)], error.reason, error.message)

    async def follow(self):
        """What happens while somebody watches."""

    async def push(self, request, context):
        try:
            results = await self.small.push(request.push.operations, epoch=request.push.epoch)
        except RookeryError as error:
            await refuse(context, _CODES[type(error)], error.reason, error.message)
        for result in results:
            if self.conflicting:
                result.outcome = PushOutcome.PUSH_OUTCOME_CONFLICT
        return pb.PushBatchResponse(answer=pb.PushResponse(results=results))

    async def reconcile(self, request, context):
        self.asked.append(request)
        return await self.small.reconcile(request)

    @property
    def handlers(self):
        return {
            **super().handlers,
            "SyncService.Pull": self.pull,
            "SyncService.PushBatch": self.push,
            "SyncService.Reconcile": self.reconcile,
        }


def synchronised() -> Synchronised:
    """One with 120 messages in it."""
    box = Synchronised()
    box.small.folders[PROJECTS] = Folder(id=PROJECTS, name="Projects", revision=1)
    for number in range(120):
        box.small.add(f"Message {number}")
    return box


@contextlib.contextmanager
def opened(path):
    replica = Replica.open(path, clock=CLOCK, ids=IDS)
    try:
        yield replica
    finally:
        replica.close()


def record(path, subject):
    item = Item(folder_id=INBOX)
    item.summary.kind, item.summary.subject = ItemKind.ITEM_KIND_MESSAGE, subject
    with opened(path) as replica:
        replica.record(SyncOperation(create_item=CreateItemRequest(item=item)))
