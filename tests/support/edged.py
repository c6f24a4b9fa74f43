"""``rookeryd serve`` with a network of its own for the gateway: ``python -m tests.support.edged``.

It understands what a test or a measurement needs of the command's options, and sends other domains' mail to hosts that a name
server on this machine tells, by another port than 25.
"""

from __future__ import annotations

import argparse
import asyncio
import sys

from rookery_server import config
from rookery_server.bootstrap import Edges
from rookery_server.cli import logs
from rookery_server.cli.serve import run
from rookery_server.gateway.dns_resolver import DnsResolver

_SETTINGS = ("data", "listen", "database_url", "submission", "log_level")
"""Those of the server's that are understood."""


def program(*, dns_port: int, smtp_port: int, lease_seconds: float = 120) -> tuple[str, ...]:
    """The command, to be completed by options of ``rookeryd serve``."""
    edges = ("--dns-port", str(dns_port), "--smtp-port", str(smtp_port), "--lease-seconds", str(lease_seconds))
    return (sys.executable, "-m", "tests.support.edged", *edges)


def main() -> None:
    """Serves until SIGTERM."""
    parser = argparse.ArgumentParser(prog="python -m tests.support.edged", description="Serves with a network of its own.")
    for name in ("data", "listen"):
        parser.add_argument(f"--{name}", required=True)
    for name in ("database-url", "submission"):
        parser.add_argument(f"--{name}")
    parser.add_argument("--log-level", default="info")
    parser.add_argument("--dns-port", type=int, required=True)
    parser.add_argument("--smtp-port", type=int, required=True)
    parser.add_argument("--lease-seconds", type=float, required=True)
    options = parser.parse_args()
    flags = {name: getattr(options, name) for name in _SETTINGS if getattr(options, name)}
    settings = config.load({**flags, "mail_delivery": "direct", "mail_name": "mail.rookery.test"}, {})
    logs.configure(settings.log_format, settings.log_level)
    resolver = DnsResolver(["127.0.0.1"], port=options.dns_port)
    edges = Edges(resolver=resolver, smtp_port=options.smtp_port, lease_seconds=options.lease_seconds)
    asyncio.run(run(settings, edges=edges))


if __name__ == "__main__":
    main()
