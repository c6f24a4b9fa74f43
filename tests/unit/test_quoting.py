"""Quotations: marks before lines, flowing text, and HTML in which nothing acts."""

from __future__ import annotations

import html.parser
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rookery_core.formats import mime
from rookery_core.formats.flowed import unflowed
from rookery_core.formats.quoting import quoted_html, quoted_text


def test_each_line_bears_a_mark_and_older_marks_move_on() -> None:
    assert quoted_text("a\n\n> b\n> > c\n>>d\n\n") == "> a\n>\n>> b\n>>> c\n>>> d"
    assert quoted_text("") == ">"


def test_long_lines_are_broken_between_words_with_their_marks() -> None:
    lines = quoted_text("> " + "word " * 100 + "x" * 200).split("\n")
    assert len(lines) > 5 and all(line.startswith(">> ") for line in lines)
    assert all(len(line) <= 76 for line in lines[:-1]) and lines[-1] == ">> " + "x" * 200
    assert " ".join(line[3:] for line in lines).split() == ["word"] * 100 + ["x" * 200]
    deep = ">" * 5000 + "x" * 100
    assert quoted_text(deep) == ">" * 5001 + " " + "x" * 100


def test_flowing_lines_become_paragraphs() -> None:
    text = "One \nparagraph.\n\n> Quoted \n> too.\n>> deeper \n> back.\n From stuffed\n-- \nAnn\nlast \n"
    assert unflowed(text, delete_space=False) == (
        "One paragraph.\n\n> Quoted too.\n>> deeper\n> back.\nFrom stuffed\n-- \nAnn\nlast\n"
    )
    assert unflowed("漢 \n字", delete_space=True) == "漢字"


def test_a_message_of_flowing_text_is_read_so() -> None:
    raw = b"Content-Type: text/plain; Format=Flowed; DelSp=%s\r\n\r\nOne \r\nline\r\n"
    assert mime.parse(raw % b"no").content.body.text == "One line\n"
    assert mime.parse(raw % b"yes").content.body.text == "Oneline\n"
    assert mime.parse(raw.replace(b"Flowed", b"fixed") % b"no").content.body.text == "One \nline\n"


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("<p>a<br/>b</P>", "<p>a<br>b</p>"),
        ("a < b > c & d &amp; <3", "a &lt; b &gt; c & d &amp; &lt;3"),
        ("<!DOCTYPE html><html><head><title>x</title><meta charset=x><base href=x><link href=x></head><body>y</body></html>", "y"),
        ("<script>x</script><SCRIPT src=x></SCRIPT >y", "y"),
        ("<script>x", "x"),
        ("<iframe src=x>y</iframe><object>z</object><svg><p>q</p></svg><template>t</template>v", "v"),
        ("<form action=x><input name=y><button>z</button></form>", "z"),
        ("<p onclick=x ONLOAD='y' class=z title=\"a'b\">c</p>", '<p class="z" title="a&#x27;b">c</p>'),
        ("<a href=javascript:x>y</a>", "<a>y</a>"),
        ("<a href=' java\tscript&colon;x'>y</a><a href='JAVASCRIPT&#58;x'>z</a>", "<a>y</a><a>z</a>"),
        ("<a href='vbscript:x'>y</a><a href='data:text/html,x'>z</a>", "<a>y</a><a>z</a>"),
        ('<a href="https://a.test/?x=1&y=2">y</a>', '<a href="https://a.test/?x=1&amp;y=2">y</a>'),
        ('<img src="cid:a@b" alt=x>', '<img src="cid:a@b" alt="x">'),
        ("<img src=data:image/png;base64,AA==>", '<img src="data:image/png;base64,AA==">'),
        ('<img src="data:image/svg+xml,x"><img src=//t.test/x.gif>', '<img><img src="//t.test/x.gif">'),
        ('<p style="color:red">a</p><p style="width:expression(x)">b</p>', '<p style="color:red">a</p><p>b</p>'),
        ("<style><!-- p{color:red} --></style>a", "<style> p{color:red} </style>a"),
        ("<style>p{behavior:url(x)}</style>a<style>b</style", "a<style>b</style>"),
        ("<style>a<b</style>c", "c"),
        ("</div></blockquote></table>a<div>b", "a<div>b</div>"),
        ("<b><i>a</b></i><u>", "<b><i>a</b></i><u></u>"),
        ("a<!-- <script>x</script> -->b<!--c", "abc"),
        ("<![if !vml]>a<![endif]><![CDATA[<b>]]>c<?xml x?>d<o:p>e</o:p>", "acde"),
        ("<p title='<script>x</script>'>y</p>", '<p title="&lt;script&gt;x&lt;/script&gt;">y</p>'),
        ("<textarea></p><script>x</script></textarea>y", "y"),
        ("<noscript><p title='</noscript><img src=x onerror=y>'></noscript>", "<img src=\"x\">'&gt;"),
        ("a\0b", "ab"),
        ("<div id=x name=y data-z=w xlink:href=v>a</div>", '<div data-z="w">a</div>'),
    ],
)  # fmt: skip
def test_html_is_written_anew_without_what_acts(source: str, expected: str) -> None:
    assert quoted_html(source) == expected


class _Reader(html.parser.HTMLParser):
    """What a browser would find, roughly."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[tuple[str, list[tuple[str, str | None]]]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, attrs))


PIECES = st.sampled_from(
    [
        "<", ">", "</", "/>", '"', "'", "=", " ", "\t", "a", "p", "script", "style", "svg", "title", "img", "src", "href",
        "onerror", "x", "javascript:", "<!--", "-->", "<![CDATA[", "]]>", "&lt;", "&#60;", "<b>", "</b>", "<p title='",
        "<a href=", "`", "\0", "\n", "textarea",
    ]
)  # fmt: skip


@given(st.lists(PIECES, max_size=40).map("".join))
def test_no_mixture_of_marks_makes_anything_act(source: str) -> None:
    reader = _Reader()
    reader.feed(quoted_html(source))
    reader.close()
    for tag, attributes in reader.found:
        assert tag in {"a", "p", "b", "img", "style"}
        assert not any(name.startswith("on") for name, _ in attributes)
        assert not any("script:" in (value or "") for name, value in attributes if name in {"href", "src"})


def _spent(source: str) -> float:
    start = time.process_time()
    quoted_html(source)
    return time.process_time() - start


@pytest.mark.parametrize(
    "piece", ["<", '<a "', "<a '", "<!--", "<script", "<script>", "<style>", "<div>", "</div>", "<![CDATA[", '<p x="', "<p a=b "]
)
def test_the_work_grows_with_the_length_alone(piece: str) -> None:
    one, four = _spent(piece * 20_000), _spent(piece * 80_000)
    assert four < 12 * one + 0.5
