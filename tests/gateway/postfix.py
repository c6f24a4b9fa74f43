"""Postfix as the outside world: its smtp-sink, which takes anything, and the whole of it, which is choosy.

Both come from Debian's package "postfix". Where it is not installed, tests that need it are skipped; with ROOKERY_REQUIRE_POSTFIX=1
they fail. The whole Postfix starts as root only.
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import os
import pathlib
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, NoReturn

import pytest

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator, Mapping

    from tests.gateway.certificates import Issued

START_SECONDS = 30
DOMAIN = "postfix.test"
NAME = "mx.postfix.test"
MOST_BYTES = 2_000_000
USER, PASSWORD = "anna", "correct horse"
BOXES = {"ben": "ben", "cleo": "cleo", "bén": "b-n"}
"""Local parts and their mailboxes."""
_NOTHING: dict[str, object] = {}

MASTER = """\
{port} inet n - n - - smtpd
{submission} inet n - n - - smtpd -o smtpd_sasl_auth_enable=yes -o smtpd_tls_auth_only=yes
pickup unix n - n 60 1 pickup
cleanup unix n - n - 0 cleanup
qmgr unix n - n 300 1 qmgr
tlsmgr unix - - n 1000? 1 tlsmgr
rewrite unix - - n - - trivial-rewrite
bounce unix - - n - 0 bounce
defer unix - - n - 0 bounce
trace unix - - n - 0 bounce
verify unix - - n - 1 verify
flush unix n - n 1000? 0 flush
proxymap unix - - n - - proxymap
smtp unix - - n - - smtp
error unix - - n - - error
retry unix - - n - - error
discard unix - - n - - discard
virtual unix - n n - - virtual
lmtp unix - - n - - lmtp
anvil unix - - n - 1 anvil
scache unix - - n - 1 scache
postlog unix-dgram n - n - 1 postlogd
"""


def _missing(reason: str) -> NoReturn:
    if os.environ.get("ROOKERY_REQUIRE_POSTFIX") == "1":
        pytest.fail(reason)
    pytest.skip(reason)


def program(name: str) -> str:
    """Where one of Postfix's programs is."""
    found = shutil.which(name, path=os.pathsep.join([os.environ.get("PATH", os.defpath), "/usr/sbin"]))
    return found or _missing(f"{name} is not installed: it comes with Debian's package postfix")


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def wait_until_listening(port: int, running: subprocess.Popen[bytes] | None, log: pathlib.Path) -> None:
    """Returns when somebody takes connections at the port; RuntimeError with the log if nobody does, or the process has ended."""
    deadline = time.monotonic() + START_SECONDS
    while True:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
            return
        if time.monotonic() > deadline or (running is not None and running.poll() is not None):
            raise RuntimeError(f"it does not start:\n{log.read_text('utf-8', 'replace')}")
        time.sleep(0.02)


@dataclass(frozen=True)
class Sink:
    """A running smtp-sink."""

    port: int
    folder: pathlib.Path

    def messages(self) -> list[bytes]:
        """What it took, each with smtp-sink's own lines before it."""
        return [path.read_bytes() for path in sorted(self.folder.iterdir()) if path.name.startswith("mail.")]


@contextlib.contextmanager
def running_sink(*options: str, keep: bool = True) -> Iterator[Sink]:
    """An smtp-sink that runs within the block, with its options. It keeps the messages unless told otherwise."""
    command = [program("smtp-sink"), *options]
    folder = pathlib.Path(tempfile.mkdtemp(prefix="rookery-sink-"))
    port = free_port()
    try:
        if os.geteuid() == 0:
            folder.chmod(0o777)
            command += ["-u", "nobody"]
        if keep:
            command += ["-d", f"{folder}/mail."]
        log = folder / "log"
        with log.open("wb") as output:
            process = subprocess.Popen([*command, f"127.0.0.1:{port}", "100"], stdout=output, stderr=output, cwd=folder)
        try:
            wait_until_listening(port, process, log)
            yield Sink(port, folder)
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(START_SECONDS)
    finally:
        shutil.rmtree(folder)


@dataclass(frozen=True)
class Postfix:
    """A running Postfix that takes mail for ben@ and cleo@ and bén@ of its domain."""

    port: int
    submission_port: int
    """Where ``USER`` may send to anywhere, while ``password_checker`` runs."""
    folder: pathlib.Path

    @property
    def sasl_socket(self) -> pathlib.Path:
        """Where it asks whether a password is right."""
        return self.folder / "sasl" / "auth"

    async def mailbox(self, name: str, count: int = 1) -> list[bytes]:
        """The messages in a mailbox, oldest first, as soon as there are so many."""
        folder = self.folder / "mail" / name / "new"
        async with asyncio.timeout(START_SECONDS):
            while True:
                found = sorted(folder.iterdir(), key=lambda path: path.stat().st_mtime_ns) if folder.exists() else []
                if len(found) >= count:
                    return [path.read_bytes() for path in found]
                await asyncio.sleep(0.05)

    @contextlib.contextmanager
    def standing_still(self) -> Iterator[None]:
        """Within the block its port takes connections, and nobody says anything."""
        master = int((self.folder / "queue" / "pid" / "master.pid").read_text())
        group = os.getpgid(master)
        assert group == master  # all of its processes, and nobody else
        os.killpg(group, signal.SIGSTOP)
        try:
            yield
        finally:
            os.killpg(group, signal.SIGCONT)


@contextlib.contextmanager
def running_postfix(certificate: Issued, settings: Mapping[str, object] = _NOTHING) -> Iterator[Postfix]:
    """A Postfix with queue, configuration and mailboxes of its own, which shows this certificate.

    ``settings`` (postconf(5)) stand in place of those that the tests have otherwise.
    """
    postfix = program("postfix")
    if os.geteuid() != 0:
        _missing("Postfix starts as root only")
    folder = pathlib.Path(tempfile.mkdtemp(prefix="rookery-postfix-"))
    folder.chmod(0o755)
    server = Postfix(free_port(), free_port(), folder)
    try:
        _configure(server, certificate, settings)
        subprocess.run([postfix, "-c", folder / "etc", "start"], check=True, capture_output=True)
        try:
            wait_until_listening(server.port, None, folder / "log")
            yield server
        finally:
            subprocess.run([postfix, "-c", folder / "etc", "stop"], check=True, capture_output=True)
    finally:
        shutil.rmtree(folder)


def _configure(server: Postfix, certificate: Issued, more: Mapping[str, object]) -> None:
    folder, owner, nobody = server.folder, pwd.getpwnam("postfix"), pwd.getpwnam("nobody")
    for name in ("etc", "queue", "data", "mail", "sasl"):
        (folder / name).mkdir()
    os.chown(folder / "data", owner.pw_uid, owner.pw_gid)
    os.chown(folder / "mail", nobody.pw_uid, nobody.pw_gid)
    pem = folder / "etc" / "pem"
    pem.write_bytes(certificate.pem_key() + certificate.pem_chain())
    settings = {
        "compatibility_level": "3.6",
        "queue_directory": folder / "queue",
        "data_directory": folder / "data",
        "maillog_file": folder / "log",
        "maillog_file_prefixes": folder,
        "myhostname": NAME,
        "mydestination": "",
        "inet_interfaces": "127.0.0.1",
        "inet_protocols": "ipv4",
        "mynetworks": "",
        "virtual_mailbox_domains": DOMAIN,
        "virtual_mailbox_base": folder / "mail",
        "virtual_mailbox_maps": "inline:{" + ", ".join(f"{{{who}@{DOMAIN} = {box}/}}" for who, box in BOXES.items()) + "}",
        "virtual_uid_maps": f"static:{nobody.pw_uid}",
        "virtual_gid_maps": f"static:{nobody.pw_gid}",
        "smtputf8_enable": "yes",
        "message_size_limit": MOST_BYTES,
        "mailbox_size_limit": 0,
        "virtual_mailbox_limit": 0,
        "smtpd_tls_chain_files": pem,
        "smtpd_tls_security_level": "may",
        "smtpd_sasl_type": "dovecot",
        "smtpd_sasl_path": server.sasl_socket,
        "smtpd_relay_restrictions": "permit_sasl_authenticated, reject_unauth_destination",
        "default_transport": "discard",
        **more,
    }
    lines = [f"{name} = {value}\n" for name, value in settings.items()]
    (folder / "etc" / "main.cf").write_text("".join(lines), "utf-8")
    services = MASTER.format(port=f"127.0.0.1:{server.port}", submission=f"127.0.0.1:{server.submission_port}")
    (folder / "etc" / "master.cf").write_text(services, "utf-8")


@contextlib.asynccontextmanager
async def password_checker(server: Postfix) -> AsyncIterator[None]:
    """Tells Postfix whether a password is right, in the protocol of Dovecot's authentication server. Knows one person."""
    open_ones: list[asyncio.StreamWriter] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        open_ones.append(writer)
        writer.write(b"VERSION\t1\t1\nMECH\tPLAIN\tplaintext\nMECH\tLOGIN\tplaintext\nSPID\t1\nCUID\t1\nCOOKIE\t00\nDONE\n")
        while line := await reader.readline():
            words = line.rstrip(b"\n").split(b"\t")
            if words[0] == b"AUTH":
                right = any(word.startswith(b"resp=") and _is_right(word[5:]) for word in words)
                writer.write(b"%s\t%s\tuser=%s\n" % (b"OK" if right else b"FAIL", words[1], USER.encode()))
        writer.close()

    listening = await asyncio.start_unix_server(serve, server.sasl_socket)
    server.sasl_socket.chmod(0o777)
    try:
        yield
    finally:
        listening.close()
        for writer in open_ones:  # Postfix keeps its connection for the next question
            writer.close()
            await writer.wait_closed()
        await listening.wait_closed()


def _is_right(encoded: bytes) -> bool:
    return encoded == base64.b64encode(b"\0" + USER.encode() + b"\0" + PASSWORD.encode())
