"""Calendars that others can subscribe to: rows."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from sqlalchemy import delete, func, insert, select, update

from rookery_server.store.tables import account, folder, mailbox, published_calendar

if TYPE_CHECKING:
    from sqlalchemy import Connection


class PublishedRow(NamedTuple):
    """A published calendar. Times in microseconds; ``last_fetched`` None if never."""

    mailbox_id: int
    id: bytes
    folder_id: bytes
    secret_sha256: bytes
    detail: int
    created: int
    last_fetched: int | None


class FeedRow(NamedTuple):
    """A published calendar with what tells whether it has changed."""

    mailbox_id: int
    id: bytes
    folder_id: bytes
    detail: int
    last_fetched: int | None
    name: str
    contents_revision: int
    epoch: bytes
    owner: str
    """The display name."""


_rows = select(*(published_calendar.c[name] for name in PublishedRow._fields))
_feeds = (
    select(
        published_calendar.c.mailbox_id,
        published_calendar.c.id,
        published_calendar.c.folder_id,
        published_calendar.c.detail,
        published_calendar.c.last_fetched,
        folder.c.name,
        folder.c.contents_revision,
        mailbox.c.epoch,
        account.c.display_name,
    )
    .join(
        folder,
        (folder.c.mailbox_id == published_calendar.c.mailbox_id)
        & (folder.c.id == published_calendar.c.folder_id)
        & (folder.c.deleted == 0),
    )
    .join(mailbox, mailbox.c.id == published_calendar.c.mailbox_id)
    .join(account, (account.c.id == mailbox.c.account_id) & ~account.c.disabled)
)


def add(connection: Connection, row: PublishedRow) -> None:
    """Inserts a calendar."""
    connection.execute(insert(published_calendar), row._asdict())


def of_mailbox(connection: Connection, mailbox_id: int) -> list[PublishedRow]:
    """A mailbox's calendars, newest first."""
    statement = _rows.where(published_calendar.c.mailbox_id == mailbox_id)
    rows = connection.execute(statement.order_by(published_calendar.c.created.desc(), published_calendar.c.id.desc()))
    return [PublishedRow(*row) for row in rows]


def count(connection: Connection, mailbox_id: int) -> int:
    """How many calendars a mailbox has published."""
    statement = select(func.count()).select_from(published_calendar).where(published_calendar.c.mailbox_id == mailbox_id)
    return int(connection.execute(statement).scalar_one())


def feed(connection: Connection, secret_sha256: bytes) -> FeedRow | None:
    """The calendar with this secret; None if there is none, its folder is deleted, or its owner's account is disabled."""
    row = connection.execute(_feeds.where(published_calendar.c.secret_sha256 == secret_sha256)).first()
    return FeedRow(*row) if row else None


def fetched(connection: Connection, mailbox_id: int, calendar_id: bytes, at: int) -> None:
    """Notes that a calendar was fetched."""
    this = (published_calendar.c.mailbox_id == mailbox_id) & (published_calendar.c.id == calendar_id)
    connection.execute(update(published_calendar).where(this).values(last_fetched=at))


def remove(connection: Connection, mailbox_id: int, calendar_id: bytes) -> bool:
    """Deletes a calendar; whether it was there."""
    this = (published_calendar.c.mailbox_id == mailbox_id) & (published_calendar.c.id == calendar_id)
    return connection.execute(delete(published_calendar).where(this)).rowcount > 0
