"""The rules that the contract keeps, held against the .proto files themselves: comments, names, idempotency, twins, errors."""

from __future__ import annotations

import ast
import functools
import inspect
import pathlib
import re
import subprocess
import sys
import tempfile
from typing import TYPE_CHECKING

import pytest
from google.protobuf import descriptor_pb2
from google.rpc import code_pb2

from rookery.internal.v1 import packed_pb2
from rookery.v1 import item_pb2, item_service_pb2, search_service_pb2, sync_pb2, sync_service_pb2, task_service_pb2
from rookery_core import errors

if TYPE_CHECKING:
    from collections.abc import Iterator

    from google.protobuf.message import Message

PROTO = pathlib.Path(__file__).resolve().parents[2] / "proto"
FileDescriptor = descriptor_pb2.FileDescriptorProto
MessageDescriptor = descriptor_pb2.DescriptorProto

READS = ("Get", "Find", "List", "BatchGet", "Search", "Download", "Read", "WhoAmI", "Pull", "Reconcile", "Watch")
"""How the names of calls begin that change nothing."""

WITHOUT_OPERATION_ID = {
    "Refresh": "the refresh token is the key: it works once, and once more if its answer was lost",
    "Logout": "ending an ended session is what was asked for",
    "Upload": "upload_id names the upload and is its operation id",
    "WriteUpload": "the piece holds the upload_id",
    "Import": "each document in a request has its own",
    "ImportItem": "the document holds it",
    "Push": "each operation in a request has its own",
    "PushBatch": "each operation in the request has its own",
}
"""Calls that change something and take no operation id of their own, with the reason."""

WITHOUT_REVISION = {
    "ListMailboxesResponse": "each mailbox in it tells its own",
    "WriteUploadResponse": "the upload in it tells it",
    "ImportResponse": "each result in it tells it",
    "ImportItemResponse": "the result in it tells it",
    "DownloadAttachmentResponse": "the info in its first message tells it",
    "DownloadDocumentResponse": "the info in its first message tells it",
    "ReadContentResponse": "the info in it tells it",
    "PullBatchResponse": "the batch in it tells it",
    "PushBatchResponse": "the answer in it tells it",
    "GetFreeBusyResponse": "it looks into several mailboxes",
    "FindTimeResponse": "it looks into several mailboxes",
    "ListRoomsResponse": "rooms belong to the server",
    "ListAccountsResponse": "accounts belong to the server, not to a mailbox",
    "DeleteAccountResponse": "the mailbox is gone",
    "CreateAliasResponse": "addresses belong to the server",
    "ListAliasesResponse": "addresses belong to the server",
    "DeleteAliasResponse": "addresses belong to the server",
    "CreateDomainResponse": "domains belong to the server",
    "ListDomainsResponse": "domains belong to the server",
    "DeleteDomainResponse": "domains belong to the server",
    "GetStatisticsResponse": "figures of the whole server",
    "ListQueueResponse": "the queue is of all mailboxes",
    "ListDestinationsResponse": "figures of the whole server",
    "CreateDkimKeyResponse": "keys belong to the server",
    "ListDkimKeysResponse": "keys belong to the server",
    "SetDkimKeyActiveResponse": "keys belong to the server",
    "DeleteDkimKeyResponse": "keys belong to the server",
}
"""Answers that carry no mailbox revision of their own, with the reason."""

TWINS: dict[str, list[type[Message]]] = {
    "PackedItem": [item_pb2.Item],
    "PackedItemResponse": [
        item_service_pb2.GetItemResponse,
        item_service_pb2.CreateItemResponse,
    ],
    "PackedUpdateItemResponse": [item_service_pb2.UpdateItemResponse],
    "PackedListItemsResponse": [item_service_pb2.ListItemsResponse, task_service_pb2.ListTasksResponse],
    "PackedBatchGetItemsResponse": [item_service_pb2.BatchGetItemsResponse],
    "PackedSearchResponse": [search_service_pb2.SearchResponse],
    "PackedSyncItem": [sync_pb2.SyncItem],
    "PackedItemChange": [sync_pb2.ItemChange],
    "PackedPullResponse": [sync_service_pb2.PullResponse],
    "PackedPullBatchResponse": [sync_service_pb2.PullBatchResponse],
    "PackedReconcileResponse": [sync_service_pb2.ReconcileResponse],
}
"""Each Packed message with the public messages that it stands for on the wire."""


@functools.cache
def contract() -> list[FileDescriptor]:
    """The public .proto files, parsed with their comments."""
    google = pathlib.Path(code_pb2.__file__).parents[2]
    sources = sorted(str(path) for path in (PROTO / "rookery" / "v1").glob("*.proto"))
    with tempfile.TemporaryDirectory() as scratch:
        target = pathlib.Path(scratch) / "contract.binpb"
        options = [f"-I{PROTO}", f"-I{google}", "--include_source_info", f"--descriptor_set_out={target}"]
        subprocess.run([sys.executable, "-m", "grpc_tools.protoc", *options, *sources], check=True)
        return list(descriptor_pb2.FileDescriptorSet.FromString(target.read_bytes()).file)


def messages(file: FileDescriptor) -> Iterator[tuple[str, tuple[int, ...], MessageDescriptor]]:
    """Every message with its dotted name and its source path, nested ones too."""

    def below(
        prefix: str, path: tuple[int, ...], message: MessageDescriptor
    ) -> Iterator[tuple[str, tuple[int, ...], MessageDescriptor]]:
        yield prefix + message.name, path, message
        for number, nested in enumerate(message.nested_type):
            yield from below(f"{prefix}{message.name}.", (*path, 3, number), nested)

    for number, message in enumerate(file.message_type):
        yield from below("", (4, number), message)


def enums(file: FileDescriptor) -> Iterator[tuple[str, tuple[int, ...], descriptor_pb2.EnumDescriptorProto]]:
    """Every enum with its dotted name and its source path, nested ones too."""
    for number, enum in enumerate(file.enum_type):
        yield enum.name, (5, number), enum
    for name, path, message in messages(file):
        for number, enum in enumerate(message.enum_type):
            yield f"{name}.{enum.name}", (*path, 4, number), enum


def elements(file: FileDescriptor) -> Iterator[tuple[str, tuple[int, ...]]]:
    """Everything in a file that has to be commented."""
    for name, path, message in messages(file):
        yield name, path
        yield from ((f"{name}.{field.name}", (*path, 2, number)) for number, field in enumerate(message.field))
        yield from ((f"{name}.{oneof.name}", (*path, 8, n)) for n, oneof in enumerate(message.oneof_decl) if oneof.name[0] != "_")
    for name, path, enum in enums(file):
        yield name, path
        yield from ((f"{name}.{value.name}", (*path, 2, number)) for number, value in enumerate(enum.value))
    for place, service in enumerate(file.service):
        yield service.name, (6, place)
        yield from ((f"{service.name}.{method.name}", (6, place, 2, number)) for number, method in enumerate(service.method))
    yield from ((extension.name, (7, number)) for number, extension in enumerate(file.extension))


def methods() -> list[tuple[str, descriptor_pb2.MethodDescriptorProto]]:
    return [(service.name, method) for file in contract() for service in file.service for method in service.method]


def fields_of(name: str) -> dict[str, descriptor_pb2.FieldDescriptorProto]:
    found = [message for file in contract() for _, _, message in messages(file) if message.name == name.rpartition(".")[2]]
    return {field.name: field for field in found[0].field}


def test_everything_in_the_contract_is_commented() -> None:
    silent = []
    for file in contract():
        comments = {tuple(place.path): place.leading_comments.strip() for place in file.source_code_info.location}
        silent += [f"{file.name}: {name}" for name, path in elements(file) if not comments.get(path)]
        # The path (12,) is the syntax line, which the comment of the file stands before.
        silent += [] if comments.get((12,)) else [file.name]
    assert silent == []


def test_comments_are_sentences() -> None:
    unfinished = []
    for file in contract():
        comments = {tuple(place.path): place.leading_comments.strip() for place in file.source_code_info.location}
        unfinished += [f"{file.name}: {name}" for name, path in elements(file) if comments[path][-1:] not in {".", ")"}]
    assert unfinished == []


def test_every_enum_begins_with_unspecified_and_prefixes_its_values() -> None:
    wrong = []
    for file in contract():
        for name, _, enum in enums(file):
            prefix = re.sub(r"(?<!^)(?=[A-Z])", "_", enum.name).upper() + "_"
            wrong += [value.name for value in enum.value if not value.name.startswith(prefix)]
            if enum.value[0].number != 0 or enum.value[0].name != f"{prefix}UNSPECIFIED":
                wrong.append(f"{name}: {enum.value[0].name} = {enum.value[0].number}")
    assert wrong == []


def test_each_call_has_its_own_request_and_response() -> None:
    for service, method in methods():
        assert method.input_type == f".rookery.v1.{method.name}Request", service
        assert method.output_type == f".rookery.v1.{method.name}Response", service
    names = [method.name for _, method in methods()]
    assert len(names) == len(set(names))


def test_every_call_that_changes_something_takes_an_operation_id() -> None:
    changing = {method.name: method for _, method in methods() if not method.name.startswith(READS)}
    without = {name for name, method in changing.items() if method.name not in _with_operation_id()}
    assert without == set(WITHOUT_OPERATION_ID)


def _with_operation_id() -> set[str]:
    return {method.name for _, method in methods() if "operation_id" in fields_of(method.input_type)}


def test_calls_that_only_read_take_no_operation_id() -> None:
    assert [name for name in _with_operation_id() if name.startswith(READS)] == []


def test_operation_ids_are_bytes() -> None:
    for _, method in methods():
        if field := fields_of(method.input_type).get("operation_id"):
            assert field.type == descriptor_pb2.FieldDescriptorProto.TYPE_BYTES, method.name


def test_every_response_carries_the_revision_of_its_mailbox() -> None:
    without = {method.name + "Response" for _, method in methods() if "revision" not in fields_of(method.output_type)}
    assert without == set(WITHOUT_REVISION)


def test_every_list_is_paged_or_tells_its_limit() -> None:
    for _, method in methods():
        if method.name.startswith(("List", "Search")) and "page_size" in fields_of(method.input_type):
            assert "page_token" in fields_of(method.input_type), method.name
            assert "next_page_token" in fields_of(method.output_type), method.name


def _shape(message: descriptor_pb2.DescriptorProto) -> dict[int, tuple[int, bool]]:
    """Wire type and repetition by field number: bytes, strings and messages look alike there, as do enums and integers."""
    field_type = descriptor_pb2.FieldDescriptorProto
    lengths = {field_type.TYPE_BYTES, field_type.TYPE_STRING, field_type.TYPE_MESSAGE}
    fixed = {field_type.TYPE_DOUBLE, field_type.TYPE_FIXED64, field_type.TYPE_SFIXED64}
    short = {field_type.TYPE_FLOAT, field_type.TYPE_FIXED32, field_type.TYPE_SFIXED32}
    shapes = {}
    for field in message.field:
        wire = 2 if field.type in lengths else 1 if field.type in fixed else 5 if field.type in short else 0
        assert field.type not in {field_type.TYPE_SINT32, field_type.TYPE_SINT64, field_type.TYPE_GROUP}, field.name
        shapes[field.number] = (wire, field.label == field_type.LABEL_REPEATED)
    return shapes


@pytest.mark.parametrize("name", sorted(TWINS))
def test_packed_twins_look_like_their_public_messages_on_the_wire(name: str) -> None:
    packed = descriptor_pb2.DescriptorProto()
    packed_pb2.DESCRIPTOR.message_types_by_name[name].CopyToProto(packed)
    for public in TWINS[name]:
        message = descriptor_pb2.DescriptorProto()
        public.DESCRIPTOR.CopyToProto(message)
        assert _shape(packed) == _shape(message), public.DESCRIPTOR.full_name
        assert [field.name for field in packed.field] == [field.name for field in message.field]


def test_every_packed_message_is_held_against_a_public_one() -> None:
    assert {name for name in packed_pb2.DESCRIPTOR.message_types_by_name if name.startswith("Packed")} == set(TWINS)


def test_a_packed_item_decodes_as_the_item_it_stands_for() -> None:
    state = item_pb2.ItemState(read=True, categories=["red"])
    summary = item_pb2.ItemSummary(kind=item_pb2.ITEM_KIND_NOTE, subject="Grüße")
    packed = packed_pb2.PackedItem(
        id=b"i" * 16, revision=7, uid=3, life=1, state=state.SerializeToString(), summary=summary.SerializeToString()
    )
    answer = packed_pb2.PackedItemResponse(item=packed, revision=9)
    public = item_service_pb2.GetItemResponse.FromString(answer.SerializeToString())
    assert public.item == item_pb2.Item(id=b"i" * 16, revision=7, uid=3, life=item_pb2.ITEM_LIFE_LIVE, state=state, summary=summary)
    assert not public.item.HasField("content")


def _error_classes() -> set[str]:
    return {name for name, kind in inspect.getmembers(errors, inspect.isclass) if issubclass(kind, errors.RookeryError)}


def test_every_error_is_drawn_in_the_tree() -> None:
    drawn = set(re.findall(r"^ +([A-Z][A-Za-z]+)(?:  .*)?$", inspect.getdoc(errors) or "", flags=re.MULTILINE))
    assert drawn == _error_classes()


def test_every_error_has_a_documented_promise() -> None:
    assert [name for name in _error_classes() if not inspect.getdoc(getattr(errors, name))] == []


def _reasons_given() -> Iterator[tuple[str, str]]:
    """Where errors are made, with the reason that each has, as far as it stands there."""
    for package in ("core", "server", "client"):
        for path in sorted((PROTO.parent / package).rglob("*.py")):
            for node in ast.walk(ast.parse(path.read_text("utf-8"))):
                match node:
                    case ast.Call(func=ast.Name(id=name), args=[ast.Constant(value=str(reason)), *_]) if name in _error_classes():
                        yield f"{path.name}:{node.lineno}", reason


def test_every_reason_that_an_error_is_made_with_is_listed() -> None:
    given = list(_reasons_given())
    assert len(given) > 100
    assert [(where, reason) for where, reason in given if reason not in errors.REASONS] == []


def test_reasons_are_words_in_capitals_with_a_meaning() -> None:
    for reason, meaning in errors.REASONS.items():
        assert re.fullmatch(r"[A-Z]+(_[A-Z]+)+", reason)
        assert meaning
        assert not meaning.endswith(".")
