"""`tasks`: what is to be done, by whom, and what was."""

from __future__ import annotations

import datetime
from typing import TYPE_CHECKING

import click

from rookery.v1.item_pb2 import FlagStatus, Item, ItemKind
from rookery.v1.task_service_pb2 import TaskSelection
from rookery_client.cli import adding_tasks, assigning_tasks
from rookery_client.cli.assigning_tasks import standing
from rookery_client.cli.commands import DefaultGroup
from rookery_client.cli.json_view import emit, item_view
from rookery_client.cli.local_zone import local_zone
from rookery_client.cli.session import Session, pass_session
from rookery_client.cli.showing import print_item
from rookery_client.cli.task_view import group_of, sentence, show_tasks
from rookery_client.cli.terminal import LOCAL
from rookery_core.errors import NotFound
from rookery_core.rules.clock import SystemClock
from rookery_core.rules.ids import parse, text_of

if TYPE_CHECKING:
    from rookery.v1.task_service_pb2 import CompleteTaskResponse
    from rookery_client import Client


@click.group(cls=DefaultGroup)
def tasks() -> None:
    """What is to be done: tasks, and what is flagged for follow-up. Without a command: list them."""


@tasks.command("list")
@click.option("--all", "selection", flag_value=TaskSelection.TASK_SELECTION_ALL, type=int, help="What is done too.")
@click.option("--done", "selection", flag_value=TaskSelection.TASK_SELECTION_DONE, type=int, help="Only what is done.")
@click.option("--no-flagged", is_flag=True, help="Tasks alone, without flagged mail.")
@click.option("--limit", type=click.IntRange(min=0), default=0, metavar="N", help="At most so many; 0, as usual, is all.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
@pass_session
def list_tasks(
    session: Session,
    selection: TaskSelection.ValueType | None,
    no_flagged: bool,
    limit: int,
    as_json: bool,
) -> None:
    """List what is to be done, by when it is due.

    Marks: N not read, F flagged, ! important, @ attachments, R recurs.
    """

    async def work(client: Client) -> list[Item]:
        chosen = TaskSelection.TASK_SELECTION_OPEN if selection is None else selection
        listed = client.tasks.list(selection=chosen, include_flagged=not no_flagged, page_size=min(limit or 500, 500))
        items: list[Item] = []
        async for item in listed:
            items.append(item)
            if len(items) == limit:
                break
        return items

    items, now = session.run(work), datetime.datetime.fromtimestamp(SystemClock().micros() / 1_000_000, LOCAL)
    if as_json:
        emit({"tasks": [{**item_view(item), "group": group_of(item, now)} for item in items]})
    else:
        show_tasks(items, now)


@tasks.command()
@click.argument("ids", nargs=-1, required=True, metavar="ID...")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
@pass_session
def done(session: Session, ids: tuple[str, ...], as_json: bool) -> None:
    """Complete tasks, and the follow-up of what is flagged.

    Of a task that recurs a completed copy stays, and it becomes the next one.
    """
    wanted = list(dict.fromkeys(parse(text) for text in ids))

    async def work(client: Client) -> list[tuple[Item, CompleteTaskResponse | None, Item]]:
        before = {item.id: item for item in (await client.items.batch_get(wanted)).items}
        if missing := [item_id for item_id in wanted if item_id not in before]:
            raise NotFound("ITEM_NOT_FOUND", f"there is no such item here: {text_of(missing[0])}")
        return [await _complete(client, before[item_id]) for item_id in wanted]

    completed = session.run(work)
    if as_json:
        views = []
        for _, response, after in completed:
            has_copy = response is not None and response.HasField("completed_copy")
            copy = item_view(response.completed_copy) if response is not None and has_copy else None
            views.append({"item": item_view(after), "completed_copy": copy})
        emit({"tasks": views})
        return
    for before, _, after in completed:
        click.echo(sentence(before, after), err=True)


@tasks.command()
@click.argument("item_id", metavar="ID")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
@pass_session
def show(session: Session, item_id: str, as_json: bool) -> None:
    """Show a task: its fields, its text, who has it, by which rule it recurs."""
    wanted = parse(item_id)
    item = session.run(lambda client: client.items.get(wanted))
    if as_json:
        emit({"item": item_view(item)})
        return
    print_item(item)
    if lines := standing(item):
        click.echo("\n" + "\n".join(lines))


async def _complete(client: Client, item: Item) -> tuple[Item, CompleteTaskResponse | None, Item]:
    """The item before, what completing a task gave, and the item after."""
    if item.summary.kind == ItemKind.ITEM_KIND_TASK:
        response = await client.tasks.complete(item.id, item.summary.task.occurrence, time_zone=local_zone())
        return item, response, response.item
    follow_up = item.state.follow_up
    if follow_up.status != FlagStatus.FLAG_STATUS_COMPLETED:
        follow_up.status = FlagStatus.FLAG_STATUS_COMPLETED
        follow_up.completed.FromMicroseconds(SystemClock().micros())
        await client.items.set_state([item.id], follow_up=follow_up)
    return item, None, (await client.items.batch_get([item.id])).items[0]


for command in (adding_tasks.add, *assigning_tasks.COMMANDS):
    tasks.add_command(command)

COMMANDS = (tasks,)
