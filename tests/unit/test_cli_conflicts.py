from __future__ import annotations

import pytest
from google.rpc import code_pb2

from rookery.v1 import sync_service_pb2 as pb
from rookery.v1.item_pb2 import Item, ItemContent, ItemKind, ItemLife, ItemSummary
from rookery.v1.sync_pb2 import Conflict
from tests.support.cli_fakes import ONE, ONE_TEXT, TWO, Box, shown
from tests.support.client_fakes import refuse

pytest_plugins = ["tests.support.cli_fixtures"]

LAPTOP, PHONE = b"\x0a" * 16, b"\x0b" * 16
LAPTOP_TEXT, PHONE_TEXT = ("0a" * 4 + "-0a0a" * 3 + "-" + "0a" * 6), ("0b" * 4 + "-0b0b" * 3 + "-" + "0b" * 6)


def lost(item_id: bytes, device_id: bytes, name: str) -> Conflict:
    summary = ItemSummary(kind=ItemKind.ITEM_KIND_NOTE, subject=f"Milk \x1b[31mfrom {name}")
    conflict = Conflict(item_id=item_id, device_id=device_id, device_name=name, units=["body", "summary.subject"], summary=summary)
    conflict.created.seconds = 1_700_000_000
    conflict.item_life = ItemLife.ITEM_LIFE_LIVE
    return conflict


class Losing(Box):
    """A mailbox in which versions have lost."""

    def __init__(self) -> None:
        super().__init__()
        self.conflicts = [lost(ONE, LAPTOP, "laptop")]

    async def listed(self, request, context):
        return pb.ListConflictsResponse(conflicts=self.conflicts)

    async def read(self, request, context):
        self.asked.append(request)
        for conflict in self.conflicts:
            if (conflict.item_id, conflict.device_id) == (request.item_id, request.device_id):
                whole = Conflict(content=ItemContent())
                whole.MergeFrom(conflict)
                whole.content.body.text = "two litres"
                return pb.GetConflictResponse(conflict=whole)
        await refuse(context, code_pb2.NOT_FOUND, "CONFLICT_NOT_FOUND", "the item has no such conflict")
        return None

    async def restore(self, request, context):
        self.asked.append(request)
        return pb.RestoreConflictResponse(item=Item(id=request.item_id))

    async def dismiss(self, request, context):
        self.asked.append(request)
        return pb.DismissConflictResponse()

    @property
    def handlers(self):
        return {
            **super().handlers,
            "SyncService.ListConflicts": self.listed,
            "SyncService.GetConflict": self.read,
            "SyncService.RestoreConflict": self.restore,
            "SyncService.DismissConflict": self.dismiss,
        }


@pytest.fixture
def box():
    return Losing()


def test_conflicts_are_listed(run):
    status, out, _ = run("conflicts", "list")
    assert status == 0
    for word in ("Milk from laptop", "body, summary.subject", ONE_TEXT):
        assert word in out.decode()
    assert "\x1b" not in out.decode() and "Device ID" not in out.decode()
    [conflict] = shown(run("conflicts", "list", "--json"))["conflicts"]
    assert (conflict["item_id"], conflict["device_id"], conflict["item_life"]) == (ONE_TEXT, LAPTOP_TEXT, "live")


def test_a_version_that_lost_is_shown_whole(run):
    status, out, _ = run("conflicts", "show", ONE_TEXT)
    assert status == 0
    assert out.decode().startswith("Lost: body, summary.subject; noted ")
    assert "two litres" in out.decode()
    document = shown(run("conflicts", "show", ONE_TEXT, "--json"))
    assert document["conflict"]["content"]["body"]["text"] == "two litres"


def test_restore_and_dismiss_find_the_device_by_themselves(run, box):
    status, out, _ = run("conflicts", "restore", ONE_TEXT)
    assert (status, out.decode()) == (0, f"{ONE_TEXT}\n")
    [request] = box.of(pb.RestoreConflictRequest)
    assert (request.item_id, request.device_id) == (ONE, LAPTOP)
    assert shown(run("conflicts", "dismiss", ONE_TEXT, "--json")) == {"item_id": ONE_TEXT, "device_id": LAPTOP_TEXT}
    [request] = box.of(pb.DismissConflictRequest)
    assert (request.item_id, request.device_id) == (ONE, LAPTOP)


def test_of_several_devices_one_has_to_be_named(run, box):
    box.conflicts.append(lost(ONE, PHONE, "phone"))
    assert "Device ID" in run("conflicts", "list")[1].decode()
    status, _, error = run("conflicts", "restore", ONE_TEXT)
    assert status == 1
    assert PHONE_TEXT in error and "laptop" in error and box.of(pb.RestoreConflictRequest) == []
    assert run("conflicts", "restore", ONE_TEXT, "--device", PHONE_TEXT)[0] == 0
    assert box.of(pb.RestoreConflictRequest)[0].device_id == PHONE


def test_an_item_without_conflicts_is_one_line(run, box):
    status, _, error = run("conflicts", "dismiss", TWO.hex())
    assert (status, error.count("\n")) == (1, 1)
    assert "rookery conflicts list" in error and box.of(pb.DismissConflictRequest) == []
    assert run("conflicts", "show", TWO.hex(), "--device", PHONE_TEXT)[0] == 1


def test_conflicts_need_the_server(run):
    assert run("--offline", "conflicts", "list")[0] == 1
