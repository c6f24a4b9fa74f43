"""Odd input of all sorts: it is refused in one line, and never with a traceback."""

from __future__ import annotations

import contextlib
import io
import json
import math
import os

import pytest
from google.protobuf.timestamp_pb2 import Timestamp
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from rookery.v1 import content_service_pb2 as content
from rookery.v1 import item_service_pb2 as service
from rookery.v1.item_pb2 import Item
from rookery_client.cli.filters import moment, until
from rookery_client.cli.json_input import load, parse
from rookery_core.errors import InvalidArgument
from tests.support.cli_fakes import ONE, ONE_TEXT, shown

pytest_plugins = ["tests.support.cli_fixtures"]

LATIN_1 = os.fsdecode(b"caf\xe9")
DEEP = "[" * 100_000


@pytest.mark.parametrize(
    "words",
    [
        ["search", LATIN_1],
        ["ls", "inbox", "--category", LATIN_1],
        ["mark", ONE_TEXT, "--category", LATIN_1],
        ["edit", ONE_TEXT, "--subject", LATIN_1],
        ["mkdir", LATIN_1],
        ["--profile", LATIN_1, "ls", "inbox"],
        ["login", "a@example.org", "--server", "127.0.0.1:1", "--ca", LATIN_1],
    ],
)
def test_an_argument_that_is_no_text_is_wrong_usage(run, words):
    status, out, error = run(*words)
    assert (status, out) == (2, b"")
    assert "caf” is not UTF-8" in error and error.count("\n") == 1


def test_the_name_of_a_file_need_not_be_text(run, box, tmp_path):
    file = tmp_path / LATIN_1
    file.write_bytes(b"From: a@example.org\nSubject: x\n\nhi")
    document = shown(run("import", file, "--json"))
    assert document["results"][0]["source"] == str(file)
    assert len(box.of(content.ImportDocument)) == 1
    assert run("raw", ONE_TEXT, "--output", file)[0] == 0
    assert file.read_bytes() == box.documents[ONE]
    file.unlink()
    assert shown(run("save-attachment", ONE_TEXT, "1", "--output", file, "--json"))["path"] == str(file)
    assert file.read_bytes() == b"data"


@pytest.mark.parametrize(
    "text",
    [
        DEEP,
        '{"summary":' * 100_000,
        '{"summary":' * 400 + "{" + "}" * 401,
        '{"summary": {"subject": "\\ud800"}}',
        '{"summary": {"\\ud800": 1}}',
        f'{{"{LATIN_1}": 1}}',
    ],
)
def test_json_that_no_item_can_hold_is_refused_in_one_line(run, text):
    status, out, error = run("create", stdin=text)
    assert (status, out) == (1, b"")
    assert error.startswith("rookery: ") and error.count("\n") == 1


def test_stdin_that_is_no_text_is_refused_in_one_line(run, monkeypatch):
    monkeypatch.setattr(io, "StringIO", lambda _: io.TextIOWrapper(io.BytesIO(b'{"\xe9"'), encoding="utf-8"))
    assert run("create")[2] == "rookery: stdin is not UTF-8\n"
    assert run("login", "a@example.org", "--password-stdin")[2] == "rookery: the password is not UTF-8\n"


def test_an_edit_with_json_that_is_too_deep_takes_it_for_text(run):
    status, _, error = run("edit", ONE_TEXT, "--set", f"content.body={DEEP}")
    assert status == 1
    assert error.startswith("rookery: the JSON is no Item: ") and error.count("\n") == 1


scalars = st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters(codec=None), max_size=5)
names = st.text(st.characters(codec=None), max_size=2) | st.sampled_from(
    ["id", "uid", "life", "state", "summary", "kind", "received", "task", "content", "properties", "value", "times", "values",
     "float64", "time", "guid", "attachments", "data", "body", "text", "x"]
)  # fmt: skip
trees = st.recursive(scalars, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(names, inner, max_size=4), max_leaves=12)


@given(st.dictionaries(names, trees, max_size=4))
def test_whatever_json_is_given_it_is_read_or_refused(document):
    with contextlib.suppress(InvalidArgument):
        assert isinstance(parse(load(json.dumps(document)), Item()), Item)


def test_a_last_day_beyond_the_calendar_is_refused(run):
    status, _, error = run("ls", "inbox", "--until", "9999-12-31")
    assert status == 1
    assert error == "rookery: --until 9999-12-31 is beyond the years 1 to 9999\n"


@given(st.one_of(st.datetimes(timezones=st.timezones()), st.datetimes()).map(lambda time: time.isoformat()), st.integers(0, 1))
@settings(suppress_health_check=[HealthCheck.too_slow])
def test_whatever_time_is_given_it_is_read_or_refused(text, days):
    try:
        time = moment(text, "--since", days=days)
    except InvalidArgument:
        assert text[:4] in {"0001", "9999"}
    else:
        assert time.ToJsonString()


@pytest.mark.parametrize("text", ["2026-03-01", "20260301", "2026-W09-7", "2026W097"])
def test_a_last_day_is_included_however_it_is_written(text):
    compare = until("summary.received", text).compare
    assert compare.operator == compare.OPERATOR_LESS
    assert compare.value.time == moment("2026-03-02", "--until")


@pytest.mark.parametrize("text", ["20260301T12", "2026-03-01T00:00", "2026-03-01 00:00:00+01:00"])
def test_a_last_moment_is_no_day(text):
    compare = until("summary.received", text).compare
    assert compare.operator == compare.OPERATOR_LESS_OR_EQUAL
    assert compare.value.time == moment(text, "--until")


@pytest.fixture
def odd(box):
    """An item with values that other programs may have left, and that JSON has no word for."""
    item = box.items[ONE]
    for number, value in enumerate((math.nan, math.inf, -math.inf, 0.5)):
        item.content.properties.add().key.tag = number + 1
        item.content.properties[-1].value.float64 = value
    item.content.properties.add().value.time.CopyFrom(Timestamp(seconds=10**18))
    item.content.properties.add().value.float64s.values.extend([math.nan, 1.0])
    item.content.properties.add().value.guid = b"short"
    item.summary.received.CopyFrom(Timestamp(seconds=-(10**18)))
    item.summary.sent.CopyFrom(Timestamp(seconds=5, nanos=-1))
    return item


def strict(out):
    """The JSON, which has no words but those of RFC 8259."""

    def refuse(word):
        pytest.fail(f"{word} is no JSON")

    return json.loads(out, parse_constant=refuse)


def test_json_has_a_word_for_every_value(run, odd):
    status, out, _ = run("show", ONE_TEXT, "--json")
    assert status == 0
    item = strict(out)["item"]
    values = [each["value"] for each in item["content"]["properties"]]
    assert [value["float64"] for value in values[:4]] == ["NaN", "Infinity", "-Infinity", 0.5]
    assert values[4]["time"] == "@1000000000000000000"
    assert values[5]["float64s"]["values"] == ["NaN", 1.0]
    assert values[6]["guid"] == "c2hvcnQ="
    assert (item["summary"]["received"], item["summary"]["sent"]) == ("@-1000000000000000000", "@5")


def test_odd_numbers_come_back_as_what_they_were(run, box, odd):
    document = shown(run("show", ONE_TEXT, "--json"))["item"]
    document["content"]["properties"] = document["content"]["properties"][:4]
    document["summary"].update(received=None, sent=None)
    assert run("create", stdin=json.dumps(document))[0] == 0
    (request,) = box.of(service.CreateItemRequest)
    nan, infinity, negative, half = (each.value.float64 for each in request.item.content.properties)
    assert math.isnan(nan) and (infinity, negative, half) == (math.inf, -math.inf, 0.5)


def test_odd_times_are_shown_to_people(run, odd):
    for words in (["ls", "inbox"], ["show", ONE_TEXT]):
        status, out, _ = run(*words)
        assert status == 0
        assert b"@" in out
