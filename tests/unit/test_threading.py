"""Conversations and subjects."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rookery_core.rules.subjects import normalized, sort_key
from rookery_core.rules.threading import conversation_id


def of(
    message_id: str = "", in_reply_to: str = "", references: tuple[str, ...] = (), subject: str = "", from_address: str = ""
) -> bytes:
    return conversation_id(
        message_id=message_id, in_reply_to=in_reply_to, references=references, subject=subject, from_address=from_address
    )


def test_a_reply_belongs_to_its_root_however_deep_it_stands() -> None:
    root = of("root@a")
    assert len(root) == 16
    assert of("b@a", "root@a") == root
    assert of("c@a", "b@a", ("root@a", "b@a")) == root
    assert of("c@a", "b@a", ("", "root@a")) == root


def test_other_roots_are_other_conversations_whatever_the_subject() -> None:
    assert of("a@a", subject="same") != of("b@a", subject="same")


def test_without_ids_sender_and_subject_make_the_conversation() -> None:
    first = of(subject="Plan", from_address="Ann@b.test")
    assert of(subject="RE: plan", from_address="ann@b.test") == first
    assert of(subject="Plan", from_address="bob@b.test") != first
    assert of(subject="Other", from_address="ann@b.test") != first


def test_an_id_never_meets_a_subject() -> None:
    assert of("ann@b.test\0plan") != of(subject="plan", from_address="ann@b.test")


@pytest.mark.parametrize(
    ("subject", "expected"),
    [
        ("Re: Hello", "Hello"),
        ("RE: Fwd: AW: SV: Hello", "Hello"),
        ("Re[2]: Hello", "Hello"),
        ("Re(3): Hello", "Hello"),
        ("[1] Re: Hello", "Hello"),
        ("Re : Hello", "Hello"),
        ("回复：你好", "你好"),
        ("Regarding: Hello", "Regarding: Hello"),
        ("Hello Re: there", "Hello Re: there"),
        ("  two   blanks ", "two blanks"),
        ("Re:", ""),
        ("", ""),
        ("[PATCH] Re: x", "[PATCH] Re: x"),
    ],
)
def test_prefixes_of_replies_are_removed(subject: str, expected: str) -> None:
    assert normalized(subject) == expected


def test_subjects_sort_without_regard_to_case_prefix_and_composition() -> None:
    assert sort_key("Re: Übung") == sort_key("u\u0308BUNG")


@given(st.text(max_size=60))
def test_normalising_twice_changes_nothing(subject: str) -> None:
    assert normalized(normalized(subject)) == normalized(subject)
