"""Enum numbers that nobody gave a meaning."""

from __future__ import annotations

import importlib
import pkgutil

import pytest

import rookery.v1
from rookery.v1 import content_service_pb2, item_pb2, item_service_pb2, mailbox_pb2, sync_service_pb2
from rookery.v1.restriction_pb2 import Restriction
from rookery.v1.sync_pb2 import SyncOperation
from rookery_core.errors import InvalidArgument
from rookery_core.rules import enums

UNKNOWN = 70_000
MODULES = [
    importlib.import_module(f"rookery.v1.{module.name}")
    for module in pkgutil.iter_modules(rookery.v1.__path__)
    if module.name.endswith("_pb2")
]


def refused(message: object, field: str = "") -> str | None:
    with pytest.raises(InvalidArgument) as raised:
        enums.require_known_enums(message, field)  # type: ignore[arg-type]
    assert raised.value.reason == "FIELD_INVALID"
    return raised.value.field


@pytest.mark.parametrize("number", [UNKNOWN, -1, 2**31 - 1])
def test_an_unknown_number_is_refused_with_its_path_wherever_it_stands(number: int) -> None:
    request = item_service_pb2.CreateItemRequest()
    request.item.summary.importance = number  # type: ignore[assignment]
    assert refused(request) == "item.summary.importance"
    request.Clear()
    request.item.content.recipients.add()
    request.item.content.recipients.add(type=number)
    assert refused(request) == "item.content.recipients[1].type"
    assert refused(item_pb2.FollowUp(status=number), "state.follow_up") == "state.follow_up.status"  # type: ignore[arg-type]
    assert refused(item_service_pb2.ListItemsRequest(view=number)) == "view"  # type: ignore[arg-type]


def test_messages_that_hold_themselves_are_looked_through() -> None:
    restriction = Restriction()
    inner = getattr(restriction, "and").operands.add()
    getattr(inner, "or").operands.add().compare.operator = UNKNOWN
    assert refused(restriction) == "and.operands[0].or.operands[0].compare.operator"


def test_known_numbers_and_messages_without_enums_pass() -> None:
    request = item_service_pb2.CreateItemRequest()
    request.item.summary.importance = item_pb2.IMPORTANCE_HIGH
    request.item.content.recipients.add(type=item_pb2.RECIPIENT_TYPE_CC)
    enums.require_known_enums(request)
    enums.require_known_enums(mailbox_pb2.GetMailboxRequest(mailbox_id=b"x"))


def test_operations_of_push_are_left_to_be_refused_one_by_one() -> None:
    operation = SyncOperation(conflict_policy=UNKNOWN)  # type: ignore[arg-type]
    push = sync_service_pb2.PushRequest(operations=[operation])
    enums.require_known_enums(push)
    enums.require_known_enums(sync_service_pb2.PushBatchRequest(push=push))
    assert refused(operation) == "conflict_policy"


def test_an_offered_encoding_that_is_unknown_is_not_made_use_of_and_no_error() -> None:
    enums.require_known_enums(content_service_pb2.DownloadDocumentRequest(accept_encodings=[UNKNOWN]))  # type: ignore[list-item]


def test_the_only_lists_of_enums_in_requests_are_offers_and_the_kinds_that_a_scope_looks_at_itself() -> None:
    lists = {
        field.full_name.rpartition(".")[2]
        for module in MODULES
        for message in module.DESCRIPTOR.message_types_by_name.values()
        for field in message.fields
        if field.enum_type and field.is_repeated
    }
    assert lists == {"accept_encodings", "kinds"}
