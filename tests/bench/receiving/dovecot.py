"""The peer: Debian's Dovecot, taking mail by LMTP into sdbox mailboxes with its default durability."""

from __future__ import annotations

import contextlib
import grp
import os
import pathlib
import pwd
import shutil
import socket
import subprocess
import tempfile
import time
from typing import TYPE_CHECKING

from tests.bench.server import free_port

if TYPE_CHECKING:
    from collections.abc import Iterator

_PROGRAM = "dovecot"
_SEARCHED = "/usr/sbin:/usr/local/sbin"
_LMTP = pathlib.Path("/usr/lib/dovecot/lmtp")
_START_SECONDS = 30.0
_CONFIGURATION = """\
base_dir = {folder}/run
state_dir = {folder}/state
log_path = {folder}/dovecot.log
protocols = lmtp
listen = 127.0.0.1
ssl = no
default_login_user = {login}
default_internal_user = {login}
default_internal_group = {group}
mail_location = sdbox:{folder}/mail/%u
mail_uid = {uid}
mail_gid = {gid}
first_valid_uid = 1
first_valid_gid = 1
postmaster_address = postmaster@bench.example
passdb {{
  driver = static
  args = nopassword=y
}}
userdb {{
  driver = static
  args = uid={uid} gid={gid} home={folder}/mail/%u allow_all_users=yes
}}
service lmtp {{
  inet_listener lmtp {{
    port = {port}
  }}
}}
service anvil {{
  chroot =
}}
"""


class Missing(Exception):
    """Dovecot can not be measured here, and why."""


@contextlib.contextmanager
def serving(where: pathlib.Path) -> Iterator[int]:
    """A Dovecot that has a mailbox for everybody, with files below a folder meanwhile; gives its port. Raises Missing."""
    program = shutil.which(_PROGRAM, path=f"{os.environ.get('PATH', '')}:{_SEARCHED}")
    if program is None or not _LMTP.exists():
        raise Missing("it is not installed: Debian's packages are dovecot-core and dovecot-lmtpd")
    if os.geteuid() != 0:
        raise Missing("only root can start it: it becomes other users")
    with tempfile.TemporaryDirectory(prefix="rookery-dovecot-", dir=where) as name:
        folder = pathlib.Path(name)
        port = free_port()
        _configure(folder, port)
        process = subprocess.Popen([program, "-F", "-c", str(folder / "dovecot.conf")])
        try:
            _wait(port)
            yield port
        finally:
            process.terminate()
            process.wait(timeout=30)


def _configure(folder: pathlib.Path, port: int) -> None:
    owner, login = pwd.getpwnam("mail"), pwd.getpwnam("nobody")
    for part in ("mail", "run", "state"):
        (folder / part).mkdir()
    folder.chmod(0o755)
    os.chown(folder / "mail", owner.pw_uid, owner.pw_gid)
    who = {"login": login.pw_name, "group": grp.getgrgid(login.pw_gid).gr_name, "uid": owner.pw_uid, "gid": owner.pw_gid}
    (folder / "dovecot.conf").write_text(_CONFIGURATION.format(folder=folder, port=port, **who), "utf-8")


def _wait(port: int) -> None:
    last = time.monotonic() + _START_SECONDS
    while True:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1) as probe:
            if probe.recv(3) == b"220":
                return
        if time.monotonic() > last:
            raise Missing(f"it did not listen within {_START_SECONDS:.0f} seconds")
        time.sleep(0.1)
