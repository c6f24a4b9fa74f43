"""The peer: Debian's Dovecot with the same messages, listed by IMAPClient the way a mail program fills its cache."""

from __future__ import annotations

import contextlib
import grp
import os
import pathlib
import pwd
import shutil
import subprocess
import tempfile
import time
from typing import TYPE_CHECKING

from imapclient import IMAPClient

from tests.bench.generator import Generator
from tests.bench.server import free_port

if TYPE_CHECKING:
    from collections.abc import Iterator

PROGRAM = "dovecot"
USER = "anna"
WORD = "benchmark"
WHAT = "FLAGS UID INTERNALDATE RFC822.SIZE ENVELOPE BODYSTRUCTURE"
START_SECONDS = 30.0
_AT_ONCE = 5_000
_CONFIGURATION = """\
base_dir = {folder}/run
state_dir = {folder}/state
log_path = {folder}/dovecot.log
protocols = imap
listen = 127.0.0.1
ssl = no
disable_plaintext_auth = no
default_login_user = {login}
default_internal_user = {login}
default_internal_group = {group}
mail_location = maildir:{folder}/mail
mail_uid = {uid}
mail_gid = {gid}
first_valid_uid = 1
first_valid_gid = 1
passdb {{
  driver = static
  args = password={word}
}}
userdb {{
  driver = static
  args = uid={uid} gid={gid} home={folder}/home
}}
service imap-login {{
  chroot =
  inet_listener imap {{
    port = {port}
  }}
  inet_listener imaps {{
    port = 0
  }}
}}
service anvil {{
  chroot =
}}
"""


class Missing(Exception):
    """Dovecot can not be measured here, and why."""


def measure(where: pathlib.Path, count: int, seed: int) -> float:
    """Messages a second that IMAP brings of a mailbox of so many, with files below a folder meanwhile. Raises Missing."""
    program = shutil.which(PROGRAM, path=f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/local/sbin")
    if program is None:
        raise Missing("it is not installed")
    if os.geteuid() != 0:
        raise Missing("only root can start it: it becomes other users")
    with (
        tempfile.TemporaryDirectory(prefix="rookery-imap-", dir=where) as folder,
        _serving(program, pathlib.Path(folder), count, seed) as port,
    ):
        return _summaries_per_second(port, count)


@contextlib.contextmanager
def _serving(program: str, folder: pathlib.Path, count: int, seed: int) -> Iterator[int]:
    """A Dovecot with so many messages in its inbox; gives its port."""
    owner = pwd.getpwnam("mail")
    login = pwd.getpwnam("nobody")
    maildir = folder / "mail" / "cur"
    for part in (maildir, folder / "mail" / "new", folder / "mail" / "tmp", folder / "home", folder / "run", folder / "state"):
        part.mkdir(parents=True)
    generator = Generator(seed)
    for number in range(count):
        (maildir / f"{1_600_000_000 + number}.M{number}.bench:2,{'S' if number % 5 else ''}").write_bytes(generator.message(number))
    folder.chmod(0o755)
    for path in (folder / "mail", folder / "home", *(folder / "mail").rglob("*")):
        os.chown(path, owner.pw_uid, owner.pw_gid)
    port = free_port()
    settings = {"login": login.pw_name, "group": _group(login.pw_gid), "uid": owner.pw_uid, "gid": owner.pw_gid}
    configuration = folder / "dovecot.conf"
    configuration.write_text(_CONFIGURATION.format(folder=folder, port=port, word=WORD, **settings), "utf-8")
    process = subprocess.Popen([program, "-F", "-c", str(configuration)])
    try:
        yield port
    finally:
        process.terminate()
        process.wait(timeout=30)


def _summaries_per_second(port: int, count: int) -> float:
    """Messages a second of what a list shows, from Dovecot's cache: filled by a first run that is not counted."""
    with _signed_in(port) as client:
        found = client.select_folder("INBOX", readonly=True)
        if int(found[b"EXISTS"]) != count:
            raise RuntimeError(f"{found[b'EXISTS']} of {count} messages are there")
        _fetch(client)
        begun = time.perf_counter()
        if (came := _fetch(client)) != count:
            raise RuntimeError(f"{came} of {count} messages came")
        return count / (time.perf_counter() - begun)


def _fetch(client: IMAPClient) -> int:
    """Everything, as many at a time as one command may name; gives how many messages came."""
    found = client.search()
    return sum(len(client.fetch(found[start : start + _AT_ONCE], WHAT.split())) for start in range(0, len(found), _AT_ONCE))


@contextlib.contextmanager
def _signed_in(port: int) -> Iterator[IMAPClient]:
    last = time.monotonic() + START_SECONDS
    while True:
        try:
            client = IMAPClient("127.0.0.1", port, ssl=False)
            break
        except OSError:
            if time.monotonic() > last:
                raise Missing(f"it did not listen within {START_SECONDS:.0f} seconds") from None
            time.sleep(0.1)
    with client:
        client.login(USER, WORD)
        yield client


def _group(gid: int) -> str:
    return grp.getgrgid(gid).gr_name
