"""rookeryd stats."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from rookery.v1 import admin_service_pb2 as messages
from rookery_server.cli.administration import Administration, administer
from rookery_server.cli.options import WHERE, with_settings
from rookery_server.cli.output import bytes_of, json_option, print_fields, print_json, time_of

if TYPE_CHECKING:
    import pathlib


@click.command()
@json_option
@with_settings(*WHERE)
def stats(as_json: bool, config_file: pathlib.Path | None, **flags: object) -> None:
    """Tell figures of the whole server."""

    async def work(server: Administration) -> messages.GetStatisticsResponse:
        return await server.service.GetStatistics(messages.GetStatisticsRequest())

    found = administer(flags, config_file, work)
    if as_json:
        numbers = {field.name: getattr(found, field.name) for field in found.DESCRIPTOR.fields if field.name != "started"}
        print_json({**numbers, "started": time_of(found.started)})
        return
    print_fields(
        {
            "Accounts": f"{found.account_count:,}",
            "Domains": f"{found.domain_count:,}",
            "Sessions": f"{found.session_count:,}",
            "Items": f"{found.item_count:,}, {bytes_of(found.item_bytes)}",
            "Blobs": f"{found.blob_count:,}, {bytes_of(found.blob_bytes)}, stored in {bytes_of(found.blob_stored_bytes)}",
            "Database": bytes_of(found.database_bytes),
            "Version": found.version,
            "Started": time_of(found.started),
        }
    )
