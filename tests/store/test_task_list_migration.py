"""Items that were there before the list of tasks stand in it after the upgrade."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import sqlalchemy as sa
from alembic import command

from rookery.v1 import item_pb2
from rookery.v1.item_pb2 import ItemState, ItemSummary
from rookery.v1.task_pb2 import TaskStatus
from rookery_core.rules import to_do
from rookery_server.store import migrate

if TYPE_CHECKING:
    import pathlib

TASK, MAIL = item_pb2.ITEM_KIND_TASK, item_pb2.ITEM_KIND_MESSAGE


@pytest.fixture
def engine(tmp_path: pathlib.Path) -> sa.Engine:
    """A database as it was before the list."""
    url = f"sqlite:///{tmp_path / 'old.db'}"
    config = migrate._config()
    engine = sa.create_engine(url)
    with engine.connect() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, "0005_incoming")
        connection.commit()
    return engine


def row(number: int, summary: ItemSummary, state: ItemState) -> dict[str, object]:
    numbers = ("uid", "created", "content", "state_revision", "place", "revision", "fill_key", "span_start", "span_end", "received")
    numbers += ("sent", "size_bytes", "start", "due", "importance", "sensitivity", "reminder")
    return {
        **dict.fromkeys(numbers, number),
        **dict.fromkeys(("from_key", "subject_key", "message_class"), ""),
        "mailbox_id": 1,
        "id": bytes([number]) * 16,
        "folder_id": bytes(16),
        "kind": summary.kind,
        "life": 1,
        "has_attachments": False,
        "is_read": True,
        "flag_status": state.follow_up.status,
        "state": state.SerializeToString(),
        "summary": summary.SerializeToString(),
    }


def test_what_was_there_stands_in_the_list(engine: sa.Engine) -> None:
    done, flagged = ItemSummary(kind=TASK), ItemState()
    done.task.status = TaskStatus.TASK_STATUS_COMPLETED
    flagged.follow_up.status = item_pb2.FLAG_STATUS_FLAGGED
    rows = [
        row(1, ItemSummary(kind=TASK), ItemState()),
        row(2, done, ItemState()),
        row(3, ItemSummary(kind=MAIL), flagged),
        row(4, ItemSummary(kind=MAIL), ItemState()),
    ]
    with engine.begin() as connection:
        table = sa.Table("item", sa.MetaData(), autoload_with=connection)
        connection.execute(sa.insert(table), rows)
    migrate.upgrade(str(engine.url))
    with engine.connect() as connection:
        found = connection.execute(sa.text("SELECT to_do FROM item ORDER BY id")).scalars().all()
    assert found == [to_do.OPEN, to_do.DONE, to_do.OPEN, None]
    engine.dispose()
