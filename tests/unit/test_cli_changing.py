from __future__ import annotations

import json

import pytest

from rookery.v1 import item_service_pb2 as service
from rookery.v1.folder_pb2 import CreateFolderRequest, UpdateFolderRequest
from rookery.v1.item_pb2 import FlagStatus, Importance, ItemKind, NoteColor
from tests.support.cli_fakes import ONE, ONE_TEXT, PROJECTS, TWO, YEAR, shown

pytest_plugins = ["tests.support.cli_fixtures"]


def test_mark_sets_what_was_asked_for(run, box):
    words = "--read --flag --request Reply --due 2026-03-01T00:00Z --category Red --no-category Blue"
    assert run("mark", ONE_TEXT, *words.split())[0] == 0
    request = box.of(service.SetItemStateRequest)[0]
    assert request.read and request.follow_up.status == FlagStatus.FLAG_STATUS_FLAGGED
    assert request.follow_up.request == "Reply" and request.follow_up.due.ToJsonString() == "2026-03-01T00:00:00Z"
    assert list(request.add_categories) == ["Red"] and list(request.remove_categories) == ["Blue"]


def test_mark_takes_marks_off(run, box):
    assert run("mark", ONE_TEXT, "--unflag", "--unread")[0] == 0
    request = box.of(service.SetItemStateRequest)[0]
    assert request.HasField("follow_up") and not request.follow_up.status
    assert request.HasField("read") and not request.read


def test_mark_leaves_what_was_not_named(run, box):
    assert run("mark", ONE_TEXT, "--done")[0] == 0
    request = box.of(service.SetItemStateRequest)[0]
    assert request.follow_up.status == FlagStatus.FLAG_STATUS_COMPLETED
    assert not request.HasField("read")
    assert run("mark", ONE_TEXT, "--read")[0] == 0
    assert not box.of(service.SetItemStateRequest)[1].HasField("follow_up")


def test_a_due_time_goes_with_a_flag_only(run):
    assert run("mark", ONE_TEXT, "--done", "--due", "2026-03-01")[0] == 2


def test_ids_that_name_nothing_fail_the_command(run):
    unknown = "ffffffff-ffff-ffff-ffff-ffffffffffff"
    status, out, error = run("mark", ONE_TEXT, unknown, "--read", "--json")
    assert status == 1
    assert json.loads(out) == {"changed": 1, "missing_ids": [unknown], "revision": 78}
    assert error == f"rookery: there is no such item here: {unknown}\n"


def test_move_takes_its_last_word_for_the_folder(run, box):
    assert run("move", ONE_TEXT, TWO.hex(), "projects/2026")[0] == 0
    request = box.of(service.MoveItemsRequest)[0]
    assert list(request.item_ids) == [ONE, TWO] and request.folder_id == YEAR


def test_rm_goes_as_far_as_it_is_told(run, box):
    assert run("rm", ONE_TEXT)[0] == 0
    assert run("rm", "--recoverable", ONE_TEXT)[0] == 0
    assert run("rm", "--permanent", "--yes", ONE_TEXT)[0] == 0
    assert [request.mode for request in box.of(service.DeleteItemsRequest)] == [1, 2, 3]
    assert run("rm", "--permanent", "--recoverable", ONE_TEXT)[0] == 2


def test_rm_asks_before_it_deletes_for_good(run, box):
    status, _, error = run("rm", "--permanent", ONE_TEXT, stdin="n\n")
    assert status == 1
    assert "interrupted" in error
    assert box.of(service.DeleteItemsRequest) == []


def test_mkdir_takes_a_path(run, box):
    assert run("mkdir", "Projects/2026/March")[0] == 0
    request = box.of(CreateFolderRequest)[0]
    assert (request.folder.parent_id, request.folder.name) == (YEAR, "March")
    assert run("mkdir", "Nowhere/March")[0] == 1


def test_mkdir_parents_makes_what_is_missing(run, box):
    assert run("mkdir", "-p", "projects/2026/a/b")[0] == 0
    made = box.of(CreateFolderRequest)
    assert [request.folder.name for request in made] == ["a", "b"]
    assert made[0].folder.parent_id == YEAR
    assert run("mkdir", "-p", "Projects/2026/a/b")[0] == 0
    assert len(box.of(CreateFolderRequest)) == 2


def test_mvdir_takes_the_new_path(run, box):
    assert run("mvdir", "Projects/2026", "2027")[0] == 0
    request = box.of(UpdateFolderRequest)[0]
    assert (request.folder.parent_id, request.folder.name) == (b"", "2027")
    assert list(request.update_mask.paths) == ["name", "parent_id"]


def test_mvdir_to_a_path_with_a_slash_at_its_end_keeps_the_name(run, box):
    assert run("mvdir", "Projects/2026", "Years/")[0] == 1
    assert run("mvdir", "inbox", "Projects/")[0] == 0
    request = box.of(UpdateFolderRequest)[0]
    assert request.folder.parent_id == PROJECTS and list(request.update_mask.paths) == ["parent_id"]


def test_create_reads_json(run, box):
    text = '{"summary": {"kind": "note", "subject": "Milk", "note": {"color": "green"}}, "content": {"body": {"text": "2 l"}}}'
    status, out, _ = run("create", "--folder", "Projects", stdin=text)
    assert (status, out) == (0, b"6e6e6e6e-6e6e-6e6e-6e6e-6e6e6e6e6e6e\n")
    item = box.of(service.CreateItemRequest)[0].item
    assert item.summary.kind == ItemKind.ITEM_KIND_NOTE and item.summary.note.color == NoteColor.NOTE_COLOR_GREEN
    assert item.folder_id == PROJECTS and item.content.body.text == "2 l"


def test_what_show_prints_create_reads(run, box):
    document = shown(run("show", ONE_TEXT, "--json"))
    assert run("create", stdin=json.dumps(document["item"]))[0] == 0
    made = box.of(service.CreateItemRequest)[0].item
    made.ClearField("state")
    assert made == box.items[ONE]


@pytest.mark.parametrize("text", ["", "[]", "{", '{"summary": {"nonsense": 1}}', '{"summary": {"kind": "elephant"}}'])
def test_bad_json_is_one_line(run, text):
    status, out, error = run("create", stdin=text)
    assert (status, out) == (1, b"")
    assert error.startswith("rookery: ") and error.count("\n") == 1


def test_edit_sets_fields_by_path(run, box):
    words = "--subject 12 --set summary.importance=high --set summary.task.percent_complete=50 --clear summary.sent --etag 5"
    assert run("edit", ONE_TEXT, *words.split(), "--set", 'content.body={"text": "x"}')[0] == 0
    request = box.of(service.UpdateItemRequest)[0]
    assert request.item.id == ONE and request.etag == 5
    assert request.item.summary.subject == "12" and request.item.summary.importance == Importance.IMPORTANCE_HIGH
    assert request.item.summary.task.percent_complete == 50 and request.item.content.body.text == "x"
    assert list(request.update_mask.paths) == [
        "summary.subject",
        "summary.importance",
        "summary.task.percent_complete",
        "content.body",
        "summary.sent",
    ]


@pytest.mark.parametrize(("words", "status"), [("", 2), ("--set nonsense", 2), ("--set a.b=1", 1)])
def test_an_edit_that_changes_nothing_known_is_refused(run, words, status):
    assert run("edit", ONE_TEXT, *words.split())[0] == status
