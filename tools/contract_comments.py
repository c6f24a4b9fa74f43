"""The contract with its comments, read from the .proto files: what tools/reference.py prints."""

from __future__ import annotations

import importlib.util
import pathlib
import tempfile
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from google.protobuf import descriptor_pb2
from grpc_tools import protoc  # type: ignore[import-untyped]

from rookery.v1 import options_pb2

if TYPE_CHECKING:
    from collections.abc import Iterator

PROTO = pathlib.Path(__file__).resolve().parent.parent / "proto"
OURS = ".rookery.v1."

_FieldProto = descriptor_pb2.FieldDescriptorProto
_OWNERS = {
    options_pb2.FIELD_OWNER_UNSPECIFIED: "",
    options_pb2.FIELD_OWNER_CLIENT: "",
    options_pb2.FIELD_OWNER_SERVER: "server",
    options_pb2.FIELD_OWNER_CREATE_ONLY: "create-only",
}


@dataclass(frozen=True)
class Field:
    """A field of a message. ``kind``: its type; ``label``: repeated, optional or ""; ``choice``: the oneof it is an arm of.

    ``owner``: server, create-only, or "" for the client's own.
    """

    name: str
    number: int
    kind: str
    label: str
    owner: str
    choice: str
    is_ours: bool
    comment: str


@dataclass(frozen=True)
class Message:
    """A message; nested ones have dotted names."""

    name: str
    comment: str
    fields: list[Field]


@dataclass(frozen=True)
class Value:
    """A value of an enumeration."""

    name: str
    number: int
    comment: str


@dataclass(frozen=True)
class Enum:
    """An enumeration; nested ones have dotted names."""

    name: str
    comment: str
    values: list[Value]


@dataclass(frozen=True)
class Call:
    """A call of a service. Types of the contract by their names, "stream " before those of which many travel."""

    name: str
    takes: str
    gives: str
    comment: str


@dataclass(frozen=True)
class Service:
    """A service."""

    name: str
    comment: str
    calls: list[Call]


@dataclass(frozen=True)
class File:
    """A .proto file."""

    name: str
    services: list[Service] = field(default_factory=list)
    messages: list[Message] = field(default_factory=list)
    enums: list[Enum] = field(default_factory=list)


def files() -> list[File]:
    """The public .proto files: those with services first, each in the order of its name."""
    found = [_file(each) for each in _compiled().file]
    return sorted(found, key=lambda file: (not file.services, file.name))


def described() -> Iterator[tuple[str, str]]:
    """Everything that the contract names, with its comment."""
    for file in files():
        for service in file.services:
            yield service.name, service.comment
            yield from ((f"{service.name}.{call.name}", call.comment) for call in service.calls)
        for message in file.messages:
            yield message.name, message.comment
            yield from ((f"{message.name}.{each.name}", each.comment) for each in message.fields)
        for enum in file.enums:
            yield enum.name, enum.comment
            yield from ((f"{enum.name}.{value.name}", value.comment) for value in enum.values)


def _compiled() -> descriptor_pb2.FileDescriptorSet:
    google = importlib.util.find_spec("google.rpc")
    tools = importlib.util.find_spec("grpc_tools")
    if google is None or not google.submodule_search_locations or tools is None or tools.origin is None:
        raise SystemExit("googleapis-common-protos and grpcio-tools are needed: make docs installs them")
    sources = sorted(str(path) for path in (PROTO / "rookery" / "v1").glob("*.proto"))
    with tempfile.TemporaryDirectory() as scratch:
        target = pathlib.Path(scratch) / "contract.binpb"
        options = [
            f"-I{PROTO}",
            f"-I{pathlib.Path(next(iter(google.submodule_search_locations))).parent.parent}",
            f"-I{pathlib.Path(tools.origin).parent / '_proto'}",
            "--include_source_info",
            f"--descriptor_set_out={target}",
        ]
        status = protoc.main(["protoc", *options, *sources])
        if status:
            raise SystemExit(status)
        return descriptor_pb2.FileDescriptorSet.FromString(target.read_bytes())


class _Comments:
    """The comments of a file by the path of what they stand above (descriptor.proto, SourceCodeInfo)."""

    def __init__(self, file: descriptor_pb2.FileDescriptorProto) -> None:
        self._by_path = {tuple(place.path): place.leading_comments for place in file.source_code_info.location}

    def at(self, *path: int) -> str:
        return " ".join(self._by_path.get(path, "").split())


def _file(file: descriptor_pb2.FileDescriptorProto) -> File:
    comments = _Comments(file)
    found = File(file.name)
    for number, service in enumerate(file.service):
        found.services.append(_service(service, comments, number))
    for number, enum in enumerate(file.enum_type):
        found.enums.append(_enum(enum, comments, enum.name, (5, number)))
    for number, message in enumerate(file.message_type):
        _add_message(found, message, comments, message.name, (4, number))
    return found


def _service(service: descriptor_pb2.ServiceDescriptorProto, comments: _Comments, place: int) -> Service:
    calls = [
        Call(
            name=call.name,
            takes=("stream " if call.client_streaming else "") + call.input_type.removeprefix(OURS),
            gives=("stream " if call.server_streaming else "") + call.output_type.removeprefix(OURS),
            comment=comments.at(6, place, 2, number),
        )
        for number, call in enumerate(service.method)
    ]
    return Service(service.name, comments.at(6, place), calls)


def _add_message(
    found: File, message: descriptor_pb2.DescriptorProto, comments: _Comments, name: str, path: tuple[int, ...]
) -> None:
    fields = [_field(message, each, comments.at(*path, 2, number)) for number, each in enumerate(message.field)]
    found.messages.append(Message(name, comments.at(*path), fields))
    for number, enum in enumerate(message.enum_type):
        found.enums.append(_enum(enum, comments, f"{name}.{enum.name}", (*path, 4, number)))
    for number, nested in enumerate(message.nested_type):
        if not nested.options.map_entry:
            _add_message(found, nested, comments, f"{name}.{nested.name}", (*path, 3, number))


def _field(message: descriptor_pb2.DescriptorProto, field_proto: descriptor_pb2.FieldDescriptorProto, comment: str) -> Field:
    named = field_proto.type_name
    label = "repeated" if field_proto.label == _FieldProto.LABEL_REPEATED else ""
    in_choice = field_proto.HasField("oneof_index") and not field_proto.proto3_optional
    return Field(
        name=field_proto.name,
        number=field_proto.number,
        kind=named.removeprefix(OURS).lstrip(".") if named else _FieldProto.Type.Name(field_proto.type)[5:].lower(),
        label="optional" if field_proto.proto3_optional else label,
        owner=_OWNERS[field_proto.options.Extensions[options_pb2.owner]],
        choice=message.oneof_decl[field_proto.oneof_index].name if in_choice else "",
        is_ours=named.startswith(OURS),
        comment=comment,
    )


def _enum(enum: descriptor_pb2.EnumDescriptorProto, comments: _Comments, name: str, path: tuple[int, ...]) -> Enum:
    values = [Value(value.name, value.number, comments.at(*path, 2, number)) for number, value in enumerate(enum.value)]
    return Enum(name, comments.at(*path), values)
