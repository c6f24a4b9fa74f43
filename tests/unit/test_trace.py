"""Trace fields, authentication results, and who must not be told by a machine."""

from __future__ import annotations

import pytest

from rookery.v1.item_pb2 import Header
from rookery_core.formats import automatic, mbox, mime, trace
from rookery_core.formats.mime_headers import read_block
from tests.support import corpus


def headers(**fields: str) -> list[Header]:
    return [Header(name=name.replace("_", "-"), value=value) for name, value in fields.items()]


def test_hops_are_counted_in_the_header() -> None:
    assert trace.hops(mime.parse(b"Received: a\nRECEIVED: b\nSubject: x\n\n").content.message.headers) == 2


def test_a_received_field_holds_nothing_that_could_end_it() -> None:
    hop = trace.Hop("evil\r\nX: y (", "192.0.2.1\n", "mx.b.test", "UTF8SMTPS\r", "4 2", 1_700_000_000, "ann@b.test>\r\nX: y")
    written = trace.received_lines(hop)
    assert written.count(b"\r\n") == written.count(b"\n") == 3 and written.endswith(b"\r\n")
    block = read_block(written, 0, len(written))
    assert [name for name, _ in block.fields] == ["Received"]
    usual = trace.received_lines(trace.Hop("mail.a.test", "192.0.2.1", "mx.b.test", "ESMTPS", "42", 1_700_000_000, "ann@b.test"))
    assert usual == (
        b"Received: from mail.a.test ([192.0.2.1])\r\n\tby mx.b.test with ESMTPS id 42\r\n\tfor <ann@b.test>;\r\n"
        b"\tTue, 14 Nov 2023 22:13:20 +0000\r\n"
    )
    received = mime.parse(usual + b"\r\n").received
    assert received is not None and received.seconds == 1_700_000_000


def test_a_received_field_tells_of_the_peer_what_is_to_be_told() -> None:
    def written(name: str, address: str) -> bytes:
        return trace.received_lines(trace.Hop(name, address, "mx.b.test", "LMTP", "42", 1_700_000_000)).partition(b";")[0]

    assert written("front.b.test", "") == b"Received: from front.b.test\r\n\tby mx.b.test with LMTP id 42"
    assert written("", "2001:db8::1") == b"Received: from unknown ([IPv6:2001:db8::1])\r\n\tby mx.b.test with LMTP id 42"
    assert written("", "") == b"Received: by mx.b.test with LMTP id 42"


RESULTS = (
    'MX.b.test 1; spf=pass (sender is "a;b") smtp.mailfrom=ann@a.test;\n dkim=FAIL reason="bad; signature" header.d=a.test'
    ' header.b="x\\"y"; dmarc/1 = none; rubbish; arc'
)


def test_authentication_results_are_read_method_by_method() -> None:
    found = trace.parse_authentication_results(RESULTS)
    assert found.authserv_id == "mx.b.test"
    assert [(each.method, each.result, each.reason) for each in found.results] == [
        ("spf", "pass", ""),
        ("dkim", "fail", "bad; signature"),
        ("dmarc", "none", ""),
    ]
    assert found.results[0].properties == {"smtp.mailfrom": "ann@a.test"}
    assert found.results[1].properties == {"header.d": "a.test", "header.b": 'x"y'}


@pytest.mark.parametrize(
    "value", ["", ";", "none", '"', "x; spf", "x;=pass", '"x" ; spf=pass', "(" * 20_000, "\\(" * 20_000, ';"' * 9000]
)
def test_no_authentication_results_are_too_broken(value: str) -> None:
    assert len(trace.parse_authentication_results(value).results) == (1 if value.startswith('"x"') else 0)


def test_only_the_configured_hosts_are_believed() -> None:
    raw = (
        b"Authentication-Results: mx.b.test; spf=pass\r\n smtp.mailfrom=a.test\r\nSubject: a\r\n"
        b"authentication-results : evil.test;\r\n\tdkim=pass\r\nAUTHENTICATION-RESULTS: (x) MX2.B.test 1; none\r\n\r\n"
    )
    fields = mime.parse(raw).content.message.headers
    found = trace.trusted_results(fields, {"mx.b.test", "mx2.b.test"})
    assert found == ["mx.b.test; spf=pass smtp.mailfrom=a.test", "(x) MX2.B.test 1; none"]
    assert trace.trusted_results(fields, set()) == []


def test_fields_can_be_taken_out_without_touching_the_rest() -> None:
    raw = b"Subject: a\r\nBCC : secret@b.test,\r\n other@b.test\r\nTo: b@b.test\n\tBcc: not a field\r\nbcc:x\r\n\r\n"
    assert trace.without_fields(raw, {"bcc"}) == b"Subject: a\r\nTo: b@b.test\n\tBcc: not a field\r\n\r\n"
    assert trace.without_fields(b"Bcc: x", {"bcc"}) == b"" and trace.without_fields(b"", {"bcc"}) == b""


def test_a_report_goes_to_senders_also_of_lists_but_never_for_a_report() -> None:
    assert automatic.may_be_told("ann@b.test", headers(Subject="x"))
    assert automatic.may_be_told("talk-bounces@b.test", headers(List_Id="x", Precedence="bulk", Auto_Submitted="auto-generated"))
    assert not automatic.may_be_told("", headers(Subject="x"))
    assert not automatic.may_be_told("ann@b.test", headers(Content_Type="Multipart/Report; x"))
    assert not automatic.may_be_told("ann@b.test", headers(Auto_Submitted="auto-replied; owner-email=x"))


def test_all_real_messages_have_traces_that_can_be_read() -> None:
    told = hops = 0
    with corpus.mbox().open("rb") as stream:
        for each in mbox.read(stream):
            fields = mime.parse(each.raw).content.message.headers
            told += automatic.may_be_told("ann@b.test", fields)
            header = read_block(each.raw, 0, len(each.raw))
            hops = max(hops, trace.hops(fields))
            assert trace.without_fields(each.raw[: header.body], {"x-none"}) == each.raw[: header.body]
    assert told > 1500 and 5 < hops < trace.HOPS_LIMIT
