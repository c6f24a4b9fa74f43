"""What mail servers say about a message: delivery reports, and what they found out about where it came from."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from rookery.v1.report_pb2 import DeliveryReport, ReportedAction, ReportedRecipient
from rookery_client.cli.json_view import word
from rookery_client.cli.terminal import table
from rookery_core.formats.trace import parse_authentication_results
from rookery_core.rules.ids import text_of

if TYPE_CHECKING:
    from collections.abc import Iterable

_MOST_RESULTS = 10


def show_report(report: DeliveryReport) -> None:
    """Prints what a delivery report says, recipient by recipient."""
    rows = [(_who(each), _action(each), each.status_code, each.remote_host, each.diagnostic) for each in report.recipients]
    table(["Recipient", "State", "Code", "Host", "Answer"], rows, cut=["Answer", "Host", "Recipient"], drop=["Code", "Host"])
    if report.submission_id:
        click.echo(f"Your message: rookery outbox show {text_of(report.submission_id)}")


def authentication(values: Iterable[str]) -> str:
    """Fields of Authentication-Results (RFC 8601) in a line: who says so, and the result of each method."""
    found: list[str] = []
    for value in values:
        field = parse_authentication_results(value)
        results = [f"{each.method} {each.result}" for each in field.results[:_MOST_RESULTS]]
        if results:
            found.append(f"{', '.join(results)} ({field.authserv_id})")
    return "; ".join(found)


def _who(recipient: ReportedRecipient) -> str:
    original = recipient.original_address
    return f"{recipient.address} (you wrote {original})" if original and original != recipient.address else recipient.address


def _action(recipient: ReportedRecipient) -> str:
    return word(ReportedAction.DESCRIPTOR, recipient.action) or ""
