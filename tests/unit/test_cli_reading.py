from __future__ import annotations

import json

import pytest

from rookery.v1 import item_service_pb2 as service
from rookery.v1.item_pb2 import ItemLife
from rookery.v1.search_service_pb2 import SearchRequest
from tests.support.cli_fakes import CALENDAR, INBOX, ONE_TEXT, shown

pytest_plugins = ["tests.support.cli_fixtures"]

INBOX_TEXT = "11111111-1111-1111-1111-111111111111"


def test_folders_as_json(run):
    folders = shown(run("folders", "--json"))["folders"]
    assert [folder["path"] for folder in folders] == ["Inbox", "Kalender", "Projects", "Projects/2026"]
    assert folders[0]["role"] == "inbox" and folders[2]["role"] is None
    assert folders[0]["id"] == INBOX_TEXT
    assert folders[3]["parent_id"] == folders[2]["id"] and folders[0]["parent_id"] is None
    assert folders[0]["item_count"] == 2


def test_a_folder_that_is_not_there_brings_near_names(run):
    status, _, error = run("ls", "inbxo")
    assert status == 1
    assert error == "rookery: there is no folder “inbxo”: did you mean inbox?\n"


@pytest.mark.parametrize("name", ["inbox", "INBOX", "Inbox", INBOX_TEXT])
def test_folders_are_named_by_role_path_or_id(run, box, name):
    assert run("ls", name)[0] == 0
    assert box.of(service.ListItemsRequest)[0].folder_id == INBOX


def test_ls_as_json_has_ids_words_and_times(run):
    first = shown(run("ls", "inbox", "--json"))["items"][0]
    assert first["id"] == ONE_TEXT
    assert first["summary"]["received"] == "2023-11-14T22:13:20Z"
    assert first["summary"]["importance"] == "high" and first["summary"]["sensitivity"] is None
    assert first["summary"]["kind"] == "message"
    assert first["summary"]["message"]["from"] == {"name": "Bert", "address": "bert@example.org"}
    assert first["summary"]["sent"] is None
    assert first["state"] == {"read": False, "follow_up": None, "categories": [], "reminder": None}
    assert "appointment" not in first["summary"]


def test_ls_for_people_holds_no_escapes(run):
    status, out, _ = run("ls", "inbox")
    assert status == 0
    assert b"Hello red world" in out and b"Bert" in out
    assert b"\x1b" not in out and "\u202e".encode() not in out
    assert ONE_TEXT.encode() in out


def test_json_escapes_what_could_trouble_a_terminal(run):
    status, out, _ = run("ls", "inbox", "--json")
    assert status == 0
    assert b"\x1b" not in out and "\u202e".encode() not in out
    assert json.loads(out)["items"][0]["summary"]["subject"] == "Hello \x1b[31mred\x1b[0m \u202eworld"


def test_ls_options_become_a_restriction_and_an_order(run, box):
    words = "--unread --flagged --category Red --has-attachment --since 2026-03-01T00:00Z --until 2026-03-31T12:00Z --kind message"
    assert run("ls", "inbox", *words.split(), "--deleted", "--sort", "from", "--reverse", "--limit", "7")[0] == 0
    request = box.of(service.ListItemsRequest)[0]
    operands = getattr(request.restriction, "and").operands
    assert [each.compare.ref.field for each in operands[1:]] == [
        "state.follow_up.status",
        "state.categories",
        "summary.has_attachments",
        "summary.received",
        "summary.received",
        "summary.kind",
    ]
    assert getattr(operands[0], "not").operand.compare.ref.field == "state.read"
    assert operands[4].compare.value.time.ToJsonString() == "2026-03-01T00:00:00Z"
    assert operands[5].compare.value.time.ToJsonString() == "2026-03-31T12:00:00Z"
    assert request.life == ItemLife.ITEM_LIFE_RECOVERABLE
    assert request.sort_key == service.SortKey.SORT_KEY_FROM
    assert request.sort_direction == service.SortDirection.SORT_DIRECTION_DESCENDING
    assert request.page_size == 7


def test_a_day_given_as_until_is_included(run, box):
    assert run("ls", "inbox", "--since", "2026-03-30", "--until", "2026-03-30")[0] == 0
    first, last = getattr(box.of(service.ListItemsRequest)[0].restriction, "and").operands
    hours = (last.compare.value.time.seconds - first.compare.value.time.seconds) / 3600
    assert last.compare.operator == last.compare.OPERATOR_LESS
    assert 23 <= hours <= 25


def test_a_calendar_is_sorted_by_start_and_its_times_are_starts(run, box):
    assert run("ls", "calendar", "--since", "2026-03-01T09:00+01:00")[0] == 0
    request = box.of(service.ListItemsRequest)[0]
    assert request.folder_id == CALENDAR
    assert request.sort_key == service.SortKey.SORT_KEY_START
    assert request.sort_direction == service.SortDirection.SORT_DIRECTION_ASCENDING
    assert request.restriction.compare.ref.field == "start"
    assert request.restriction.compare.value.time.ToJsonString() == "2026-03-01T08:00:00Z"


def test_a_date_that_is_none_is_an_error(run):
    status, _, error = run("ls", "inbox", "--since", "yesterday")
    assert status == 1
    assert "2026-03-01" in error


def test_ls_stops_at_the_limit(run):
    assert len(shown(run("ls", "inbox", "--limit", "1", "--json"))["items"]) == 1


def test_show_gives_headers_text_and_numbered_attachments(run):
    status, out, _ = run("show", ONE_TEXT)
    text = out.decode()
    assert status == 0
    assert "From: Bert <bert@example.org>" in text
    assert "Subject: Hello red world" in text
    assert "Hi Anna" in text and "<b>" not in text and "script" not in text
    assert "[1] ../../evil.txt (text/plain, 4 B)" in text
    assert "\x1b" not in text and "\u202e" not in text


def test_show_of_an_unknown_item_is_one_line(run):
    assert run("show", "0" * 32)[2] == "rookery: the mailbox has no such item\n"


def test_search_passes_the_words_on(run, box):
    document = shown(run("search", "from:bert", "red", "--folder", "inbox", "--json"))
    assert document["incomplete"] is True and len(document["items"]) == 2
    request = box.of(SearchRequest)[0]
    assert request.query == "from:bert red" and list(request.folder_ids) == [INBOX]


def test_search_tells_that_hits_may_be_missing(run):
    status, out, error = run("search", "red")
    assert status == 0
    assert b"Second" in out and "search again" in error


def test_status_tells_revision_and_folders(run):
    document = shown(run("status", "--json"))
    assert document["mailbox"]["revision"] == 77
    assert document["folders"][3]["path"] == "Projects/2026"
    assert b"revision 77" in run("status")[1]
