"""Exim as a second opinion beside Postfix: another reading of the standards, and GnuTLS instead of OpenSSL.

Its program comes from Debian's package "exim4-daemon-light", which can not be installed beside Postfix; ``.ci/run`` unpacks it.
Where it is missing, tests that need it are skipped; with ROOKERY_REQUIRE_EXIM=1 they fail. It starts as root only, and needs its
user, Debian-exim.
"""

from __future__ import annotations

import contextlib
import os
import pathlib
import pwd
import shutil
import subprocess
import tempfile
from dataclasses import dataclass
from typing import TYPE_CHECKING, NoReturn

import pytest

from tests.gateway.postfix import PASSWORD, START_SECONDS, USER, free_port, wait_until_listening

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.gateway.certificates import Issued

DOMAIN = "exim.test"
NAME = "mx.exim.test"
MOST_BYTES = 2_000_000
_OWNER = "Debian-exim"

# It only takes mail and keeps it: what it would do with it is no concern of ours.
_CONFIGURATION = """\
primary_hostname = {name}
spool_directory = {folder}/spool
log_file_path = {folder}/log/%slog
pid_file_path =
local_interfaces = <; [127.0.0.1]:{port} ; [127.0.0.1]:{lines_port}
tls_advertise_hosts = *
tls_certificate = {folder}/pem
smtputf8_advertise_hosts = *
chunking_advertise_hosts = ${{if eq{{$received_port}}{{{lines_port}}}{{}}{{*}}}}
message_size_limit = {most}
queue_only
host_lookup =
rfc1413_hosts =
keep_environment =
auth_advertise_hosts = ${{if eq{{$tls_in_cipher}}{{}}{{}}{{*}}}}
acl_smtp_rcpt = recipients
domainlist ours = {domain}

begin acl
recipients:
  deny local_parts = nobody
       message = 550 5.1.1 no such user
  defer local_parts = later
       message = 450 4.7.1 come again
  accept domains = +ours
  accept authenticated = *
  deny message = 550 5.7.1 relaying denied

begin authenticators
plain:
  driver = plaintext
  public_name = PLAIN
  server_condition = ${{if and{{{{eq{{$auth2}}{{{user}}}}}{{eq{{$auth3}}{{{password}}}}}}}}}
  server_set_id = $auth2
"""


def _missing(reason: str) -> NoReturn:
    if os.environ.get("ROOKERY_REQUIRE_EXIM") == "1":
        pytest.fail(reason)
    pytest.skip(reason)


@dataclass(frozen=True)
class Kept:
    """A message as it lies in Exim's queue."""

    about: str
    """What Exim noted of it: envelope, protocol, TLS, header."""
    body: bytes
    """With line ends LF."""


@dataclass(frozen=True)
class Exim:
    """A running Exim that takes mail for anybody of its domain but ``nobody@`` and, for now, ``later@``."""

    port: int
    lines_port: int
    """Where it does not offer CHUNKING."""
    folder: pathlib.Path

    def kept(self, mark: bytes) -> Kept:
        """The message whose header has this."""
        [about] = [path for path in (self.folder / "spool" / "input").glob("*-H") if mark + b"\n" in path.read_bytes()]
        body = about.with_name(f"{about.name.removesuffix('-H')}-D").read_bytes()
        return Kept(about.read_text("utf-8"), body.partition(b"\n")[2])

    def count(self) -> int:
        """How many messages it has."""
        return len(list((self.folder / "spool" / "input").glob("*-H")))


@contextlib.contextmanager
def running_exim(certificate: Issued) -> Iterator[Exim]:
    """An Exim with queue and configuration of its own, which shows this certificate."""
    program = shutil.which("exim4", path=os.pathsep.join([os.environ.get("PATH", os.defpath), "/usr/local/sbin", "/usr/sbin"]))
    if program is None:
        _missing("exim4 is not installed: it comes with Debian's package exim4-daemon-light")
    if os.geteuid() != 0:
        _missing("Exim starts as root only")
    try:
        owner = pwd.getpwnam(_OWNER)
    except KeyError:
        _missing(f"Exim needs a user {_OWNER}")
    folder = pathlib.Path(tempfile.mkdtemp(prefix="rookery-exim-"))
    server = Exim(free_port(), free_port(), folder)
    try:
        folder.chmod(0o755)
        for name in ("spool", "log"):
            (folder / name).mkdir()
            os.chown(folder / name, owner.pw_uid, owner.pw_gid)
        pem = folder / "pem"
        pem.write_bytes(certificate.pem_key() + certificate.pem_chain())
        os.chown(pem, owner.pw_uid, owner.pw_gid)
        facts = {"port": server.port, "lines_port": server.lines_port, "user": USER, "password": PASSWORD}
        text = _CONFIGURATION.format(name=NAME, folder=folder, most=MOST_BYTES, domain=DOMAIN, **facts)
        (folder / "configuration").write_text(text, "utf-8")
        log = folder / "output"
        with log.open("wb") as output:
            process = subprocess.Popen([program, "-C", folder / "configuration", "-bdf"], stdout=output, stderr=output)
        try:
            wait_until_listening(server.port, process, log)
            wait_until_listening(server.lines_port, process, log)
            yield server
        finally:
            process.terminate()
            process.wait(START_SECONDS)
    finally:
        shutil.rmtree(folder)
