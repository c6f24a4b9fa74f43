"""Folders as people name them: every command understands the same paths."""

from __future__ import annotations

import pytest

from rookery.v1 import item_service_pb2 as service
from rookery.v1.folder_pb2 import CreateFolderRequest, Folder, FolderRole
from rookery_client.cli.folder_names import resolve
from rookery_core.errors import NotFound
from tests.support.cli_fakes import CALENDAR, PROJECTS, YEAR

pytest_plugins = ["tests.support.cli_fixtures"]

CALENDAR_TEXT = "22222222-2222-2222-2222-222222222222"


@pytest.mark.parametrize("parent", ["calendar", "Kalender", "CALENDAR", CALENDAR_TEXT])
def test_what_mkdir_makes_below_a_folder_is_found_there_by_any_of_its_names(run, box, parent):
    assert run("mkdir", f"{parent}/x")[0] == 0
    (made,) = box.of(CreateFolderRequest)
    assert made.folder.parent_id == CALENDAR
    for name in ("calendar/x", "Kalender/x", "kalender/X/", f"{CALENDAR_TEXT}/x"):
        assert run("ls", name)[0] == 0
    assert {request.folder_id for request in box.of(service.ListItemsRequest)} == {box.folders[-1].id}


@pytest.mark.parametrize("path", ["calendar/x/y", "Kalender/x/y", f"{CALENDAR_TEXT}/x/y", "projects/2026/new"])
def test_mkdir_parents_may_be_repeated(run, box, path):
    assert run("mkdir", "-p", path)[0] == 0
    made = len(box.of(CreateFolderRequest))
    assert run("mkdir", "-p", path)[0] == 0
    assert len(box.of(CreateFolderRequest)) == made


def folder(number, name, parent=b"", role=FolderRole.FOLDER_ROLE_UNSPECIFIED):
    return Folder(id=bytes([number]) * 16, name=name, parent_id=parent, role=role)


def test_a_folder_that_is_called_like_a_role_is_reached_where_the_role_leads_nowhere():
    sent = folder(1, "Sent Items", role=FolderRole.FOLDER_ROLE_SENT)
    other = folder(2, "Sent")
    below, of_role = folder(3, "x", other.id), folder(4, "y", sent.id)
    known = [sent, other, below, of_role]
    assert resolve(known, "sent") is sent
    assert resolve(known, "Sent/x") is below
    assert resolve(known, "sent/y") is resolve(known, "sent items/y") is of_role


@pytest.mark.parametrize("text", ["", "/", "2026", "Projects/2027", "Projects/2026/x", "nowhere/2026"])
def test_a_path_that_leads_nowhere_is_not_found(text):
    known = [folder(1, "Projects"), folder(2, "2026", folder(1, "").id)]
    with pytest.raises(NotFound) as caught:
        resolve(known, text)
    assert caught.value.reason == "FOLDER_NOT_FOUND"


def test_a_folder_by_its_id_is_found_at_any_depth(run, box):
    assert run("ls", YEAR.hex())[0] == 0
    assert run("ls", f"{PROJECTS.hex()}/2026")[0] == 0
    assert [request.folder_id for request in box.of(service.ListItemsRequest)] == [YEAR, YEAR]
