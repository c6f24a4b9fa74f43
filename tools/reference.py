"""Writes docs/reference from what is described: `make docs`. With --check, only says whether the committed pages are up to date.

Commands, options and settings describe themselves; the contract is described by the comments of the .proto files. The same input
gives the same pages, so that a test can hold the committed ones against fresh ones.
"""

from __future__ import annotations

import inspect
import pathlib
import re
import sys
from typing import TYPE_CHECKING, NamedTuple

import click

from rookery_client.cli.main import rookery
from rookery_core import errors
from rookery_server.cli.main import rookeryd
from rookery_server.config import SETTINGS
from tools import contract_comments as contract

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = pathlib.Path(__file__).resolve().parent.parent
PAGES = ROOT / "docs" / "reference"

ARGUMENTS = {
    "ACCOUNT": "One of the account's addresses.",
    "ADDRESS": "An e-mail address.",
    "ADDRESS...": "E-mail addresses.",
    "DOMAIN": "A domain, e.g. example.org.",
    "FILE...": "Files, Maildirs and folders of files.",
    "FOLDER": "A folder: by role (`inbox`), by path (`Projects/2026`) or by id.",
    "ID": "An id, as listings print it.",
    "ID...": "Ids, as listings print them.",
    "MESSAGE": "The id of a message in the queue, as `rookeryd queue list` shows it.",
    "N": "The attachment's number, as `rookery show` prints it.",
    "NAME": "A domain, e.g. example.org.",
    "PATH": "A folder's path: a name, or names joined by `/`.",
    "QUERY...": "What to look for: see [searching](../search.md). In a shell, quote what holds spaces, quotes or `*`.",
    "SELECTOR": "A key's name in the DNS, as `rookeryd dkim list` shows it.",
    "SOURCE": "The file with the backup.",
    "SUBJECT": "What it is called.",
    "TARGET": "The file to write; it must not be there yet.",
    "YYYY-MM": "A month, e.g. 2026-03.",
    "{accept|decline}": "The answer.",
    "{accept|tentative|decline}": "The answer.",
    "{bash|zsh|fish}": "The shell.",
}
"""What the arguments of commands mean, by the name that the usage line gives them: click keeps no help for arguments."""

SETTINGS_INTRO = """\
A setting is given as a flag of `rookeryd`, as a variable of the environment, or by its name in a TOML file: `--config FILE`, else
`rookery.toml` in the data folder. A flag beats a variable, a variable beats the file, the file beats the default.

A size is a number with a unit: `B`, `KiB`, `MiB`, `GiB`, `TiB`. A duration is a number with `s`, `m`, `h` or `d`. A switch is
`true` or `false`. An unknown name in the file is an error.
"""
CONTRACT_INTRO = """\
Every service, call, message and field, from the comments in `proto/rookery/v1`. Ids are 16 raw bytes, times are
`google.protobuf.Timestamp`. The owner of a field says who may write it: *server* fields are computed, *create-only* fields are
given once, all others belong to the client.
"""
ERRORS_INTRO = """\
A call that fails carries, beside its gRPC status, a `google.rpc.ErrorInfo` with the domain `rookery` and one of the reasons below,
and, where one field of the request is wrong, a `google.rpc.BadRequest` with the field's path.
"""


class Entry(NamedTuple):
    """One thing that has to be described: where it stands, and in which words."""

    name: str
    text: str


def cell(text: str) -> str:
    """Text that fits into a cell of a table: in one line, with nothing that Markdown would take for a tag or a column."""
    one_line = " ".join(text.split())
    parts = re.split(r"(`[^`]*`)", one_line)
    plain = "".join(part if part.startswith("`") else part.replace("<", "&lt;").replace("*", r"\*") for part in parts)
    return plain.replace("|", r"\|")


def table(titles: list[str], rows: list[list[str]]) -> Iterator[str]:
    """A table; nothing for no rows."""
    if rows:
        yield f"| {' | '.join(titles)} |"
        yield f"| {' | '.join('---' for _ in titles)} |"
        yield from (f"| {' | '.join(row)} |" for row in rows)
        yield ""


# Commands


def commands(group: click.Command, path: str) -> Iterator[tuple[str, click.Command]]:
    """A command and everything below it, by the words that people type; visible ones only, in the order of their names."""
    yield path, group
    if isinstance(group, click.Group):
        for name in sorted(group.commands):
            if not group.commands[name].hidden:
                yield from commands(group.commands[name], f"{path} {name}")


def argument_name(argument: click.Parameter, context: click.Context) -> str:
    """An argument as the usage line names it, without brackets."""
    return argument.make_metavar(context).strip("[]")


def option_name(option: click.Option, context: click.Context) -> str:
    """How an option is written, e.g. "--read / --unread" or "-o, --output PATH"."""
    names = ", ".join(option.opts) + (f" / {', '.join(option.secondary_opts)}" if option.secondary_opts else "")
    return names if option.is_flag or option.count else f"{names} {option.make_metavar(context)}"


def option_text(option: click.Option) -> str:
    """What an option does, with its default where there is one to tell, and the variable that stands in for it."""
    text = (option.help or "").strip()
    if option.show_default and option.default is not None:
        text += f" Default: {option.default}."
    return text + (f" Variable: `{option.envvar}`." if option.envvar else "")


def described_commands() -> Iterator[Entry]:
    """Every command, argument and option of both programs, with its description."""
    for program, path in ((rookery, "rookery"), (rookeryd, "rookeryd")):
        for name, command in commands(program, path):
            context = click.Context(command, info_name=name)
            yield Entry(name, (command.help or "").strip())
            for parameter in command.params:
                if isinstance(parameter, click.Option):
                    yield Entry(f"{name} {parameter.opts[0]}", (parameter.help or "").strip())
                else:
                    argument = argument_name(parameter, context)
                    yield Entry(f"{name} {argument}", ARGUMENTS.get(argument, ""))


def command_page(program: click.Group, name: str, intro: str) -> Iterator[str]:
    """The page of one program."""
    yield f"# `{name}`: all commands\n"
    yield f"{intro}\n"
    for path, command in commands(program, name):
        context = click.Context(command, info_name=path)
        yield f"{'#' * (1 + len(path.split()))} `{path}`\n"
        yield f"    {path} {' '.join(command.collect_usage_pieces(context))}\n"
        yield f"{cell_paragraphs(command.help or '')}\n"
        arguments = [argument_name(each, context) for each in command.params if not isinstance(each, click.Option)]
        yield from table(["Argument", "Meaning"], [[cell(f"`{each}`"), cell(ARGUMENTS.get(each, ""))] for each in arguments])
        options = [each for each in command.params if isinstance(each, click.Option) and not each.hidden]
        yield from table(["Option", "Meaning"], [[cell(f"`{option_name(o, context)}`"), cell(option_text(o))] for o in options])


def cell_paragraphs(text: str) -> str:
    """The paragraphs of a help text, each in one line; what click leaves as it is laid out stays so."""
    paragraphs = inspect.cleandoc(text).split("\n\n")
    return "\n\n".join(
        "```\n" + part.removeprefix("\b\n") + "\n```" if part.startswith("\b") else cell(part).replace(r"\|", "|")
        for part in paragraphs
    )


# Settings


def settings_page() -> Iterator[str]:
    """The page of the server's settings."""
    yield "# Settings of the server\n"
    yield SETTINGS_INTRO
    yield from table(
        ["Name in the file", "Flag", "Variable", "Default", "Meaning"],
        [
            [
                f"`{setting.name}`",
                f"`{setting.flag}`" if setting.is_switch else f"`{setting.flag} {setting.metavar}`",
                f"`{setting.variable}`",
                default(setting.default),
                cell(setting.help),
            ]
            for setting in SETTINGS
        ],
    )
    yield "An example of `rookery.toml`:\n"
    yield '```toml\nlisten = "0.0.0.0:6464"\ntls_cert = "mail.crt"\ntls_key = "mail.key"\nretention_recoverable = "30d"\n```\n'


def default(value: object) -> str:
    """A setting's default as the file would say it."""
    if value == "":
        return "none"
    return f"`{str(value).lower()}`" if isinstance(value, bool) else f"`{value}`"


# The contract


def contract_page() -> Iterator[str]:
    """The page of the contract: services with their calls, then the messages, then errors."""
    files = contract.files()
    yield "# The contract, `rookery.v1`\n"
    yield CONTRACT_INTRO
    for file in files:
        for service in file.services:
            yield f"- [{service.name}](#{service.name.lower()}): {cell(service.comment)}"
    yield "- [Errors](#errors)\n"
    for file in files:
        yield from (line for service in file.services for line in service_section(service))
        yield from (line for message in file.messages for line in message_section(message))
        yield from (line for enum in file.enums for line in enum_section(enum))
    yield from errors_section()


def service_section(service: contract.Service) -> Iterator[str]:
    """A service and its calls."""
    yield f"## {service.name}\n"
    yield f"{cell(service.comment)}\n"
    yield from table(
        ["Call", "Takes", "Gives", "Meaning"],
        [[f"`{each.name}`", link(each.takes), link(each.gives), cell(each.comment)] for each in service.calls],
    )


def link(kind: str) -> str:
    """A type, linked where this page describes it: "stream UploadRequest"."""
    stream, name = ("stream ", kind.removeprefix("stream ")) if kind.startswith("stream ") else ("", kind)
    return f"{stream}[{name}](#{anchor(name)})"


def anchor(name: str) -> str:
    """The place of a heading in the page."""
    return name.lower().replace(".", "")


def message_section(message: contract.Message) -> Iterator[str]:
    """A message and its fields."""
    yield f"### {message.name}\n"
    yield f"{cell(message.comment)}\n"
    owned = any(field.owner for field in message.fields)
    rows = [
        [
            f"`{field.name}`",
            str(field.number),
            field_type(field),
            *([field.owner] if owned else []),
            cell(field.comment) + one_of(field),
        ]
        for field in message.fields
    ]
    yield from table(["Field", "Number", "Type", *(["Owner"] if owned else []), "Meaning"], rows)


def field_type(field: contract.Field) -> str:
    """The type of a field, linked where it is a message or an enumeration of the contract."""
    kind = f"[{field.kind}](#{anchor(field.kind)})" if field.is_ours else field.kind
    return f"{field.label} {kind}".strip()


def one_of(field: contract.Field) -> str:
    """The choice that a field is an arm of."""
    return f" (One of `{field.choice}`.)" if field.choice else ""


def enum_section(enum: contract.Enum) -> Iterator[str]:
    """An enumeration and its values."""
    yield f"### {enum.name}\n"
    yield f"{cell(enum.comment)}\n"
    rows = [[f"`{value.name}`", str(value.number), cell(value.comment)] for value in enum.values]
    yield from table(["Value", "Number", "Meaning"], rows)


def errors_section() -> Iterator[str]:
    """Statuses and reasons."""
    yield "## Errors\n"
    yield ERRORS_INTRO
    tree = re.findall(r"^ +([A-Z][A-Za-z]+)  +(.+?)  +([A-Z_]+)$", inspect.getdoc(errors) or "", flags=re.MULTILINE)
    yield from table(["Status", "Meaning", "In Python"], [[f"`{status}`", cell(text), f"`{name}`"] for name, text, status in tree])
    yield from table(["Reason", "Meaning"], [[f"`{reason}`", cell(text)] for reason, text in sorted(errors.REASONS.items())])


# The program


def pages() -> dict[str, str]:
    """Every page of the reference by its file name."""
    note = "<!-- Written by tools/reference.py: change what it describes, then run `make docs`. -->\n"
    intros = {
        "rookery": "The client. Exit status: 0 done, 1 the operation failed, 2 wrong usage; an error is one line on stderr.",
        "rookeryd": "The server and its administration. Exit status: 0 done, 1 the operation failed, 2 wrong usage.",
    }
    found = {
        "rookery.md": command_page(rookery, "rookery", intros["rookery"]),
        "rookeryd.md": command_page(rookeryd, "rookeryd", intros["rookeryd"]),
        "settings.md": settings_page(),
        "contract.md": contract_page(),
    }
    return {name: "\n".join([note, *lines]).rstrip() + "\n" for name, lines in found.items()}


def stale() -> list[str]:
    """The pages that are not what they should be, those included that should not be there."""
    fresh = pages()
    there = {path.name: path.read_text("utf-8") for path in PAGES.glob("*.md")}
    return sorted(name for name in {*fresh, *there} if fresh.get(name) != there.get(name))


def main() -> None:
    """Writes the pages, or with --check compares."""
    if "--check" in sys.argv[1:]:
        if changed := stale():
            sys.exit("the reference is out of date, run `make docs`: " + ", ".join(changed))
        return
    PAGES.mkdir(parents=True, exist_ok=True)
    for name, text in pages().items():
        (PAGES / name).write_text(text, "utf-8")


if __name__ == "__main__":
    main()
