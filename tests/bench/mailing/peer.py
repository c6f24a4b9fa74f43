"""The peer: a Postfix that takes mail from this machine and sends it on to the sinks."""

from __future__ import annotations

import contextlib
import dataclasses
import os
import pathlib
import pwd
import shutil
import subprocess
import tempfile
import time
from typing import TYPE_CHECKING

from tests.gateway import postfix

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from tests.bench.mailing.sinks import Sinks

POLL_SECONDS = 0.01
GIVE_UP_SECONDS = 300.0


@dataclasses.dataclass(frozen=True)
class Rate:
    """What a run came to."""

    per_second: float
    cpu_ms: float
    """Processor time for each message, of all the server's processes."""


@dataclasses.dataclass(frozen=True)
class Relay:
    """A running Postfix."""

    port: int
    folder: pathlib.Path

    def cpu_seconds(self) -> float:
        """What its processes have computed so far, those that have ended included."""
        master = int((self.folder / "queue" / "pid" / "master.pid").read_text("ascii"))
        found = 0
        for entry in pathlib.Path("/proc").iterdir():
            if entry.name.isdigit():
                with contextlib.suppress(OSError):
                    name, fields = (entry / "stat").read_text("utf-8", "replace").rpartition(")")[::2]
                    parts = fields.split()  # proc(5): ppid is the 4th of all, utime to cstime are the 14th to the 17th
                    own = int(parts[11]) + int(parts[12])
                    if name.startswith(f"{master} "):
                        found += own + int(parts[13]) + int(parts[14])
                    elif int(parts[1]) == master:
                        found += own
        return found / os.sysconf("SC_CLK_TCK")


@contextlib.contextmanager
def running(folder: pathlib.Path, sinks: Sinks) -> Iterator[Relay]:
    """A Postfix with its queue below a folder, which knows the way to each destination. Skips where there is none; root only."""
    program = postfix.program("postfix")
    place = pathlib.Path(tempfile.mkdtemp(prefix="rookery-peer-", dir=folder))
    place.chmod(0o755)
    relay = Relay(postfix.free_port(), place)
    try:
        _configure(relay, sinks)
        subprocess.run([program, "-c", place / "etc", "start"], check=True, capture_output=True)
        try:
            postfix.wait_until_listening(relay.port, None, place / "log")
            yield relay
        finally:
            subprocess.run([program, "-c", place / "etc", "stop"], check=True, capture_output=True)
    finally:
        shutil.rmtree(place)


def _configure(relay: Relay, sinks: Sinks) -> None:
    folder, owner = relay.folder, pwd.getpwnam("postfix")
    for name in ("etc", "queue", "data"):
        (folder / name).mkdir()
    os.chown(folder / "data", owner.pw_uid, owner.pw_gid)
    ways = ", ".join(f"{{{domain} = smtp:[{address}]:{sinks.port}}}" for domain, address in sinks.hosts.items())
    settings = {
        "compatibility_level": "3.6",
        "queue_directory": folder / "queue",
        "data_directory": folder / "data",
        "maillog_file": folder / "log",
        "maillog_file_prefixes": folder,
        "myhostname": "mail.bench.example",
        "mydestination": "",
        "inet_interfaces": "127.0.0.1",
        "inet_protocols": "ipv4",
        "mynetworks": "127.0.0.0/8",
        "transport_maps": f"inline:{{{ways}}}",
    }
    lines = [f"{name} = {value}\n" for name, value in settings.items()]
    (folder / "etc" / "main.cf").write_text("".join(lines), "utf-8")
    services = postfix.MASTER.format(port=f"127.0.0.1:{relay.port}", submission=f"127.0.0.1:{postfix.free_port()}")
    (folder / "etc" / "master.cf").write_text(services, "utf-8")


def measure(relay: Relay, sinks: Sinks, count: int, recipients: int, size_bytes: int, sessions: int) -> Rate:
    """So many messages, by smtp-source in so many sessions, until the sinks have them all."""
    source = postfix.program("smtp-source")
    shares = _shares(count, len(sinks.hosts))
    before, cpu, begun = sinks.taken(), relay.cpu_seconds(), time.perf_counter()
    what = ["-d", "-s", str(sessions), "-r", str(recipients), "-l", str(size_bytes), "-f", "anna@bench.example"]
    sources = [
        subprocess.Popen([source, *what, "-m", str(share), "-t", f"ben@{domain}", f"127.0.0.1:{relay.port}"])
        for domain, share in zip(sinks.hosts, shares, strict=True)
    ]
    while sinks.taken() - before < count:
        if time.perf_counter() - begun > GIVE_UP_SECONDS:
            raise RuntimeError(f"Postfix has sent {sinks.taken() - before} of {count} messages")
        time.sleep(POLL_SECONDS)
    seconds = time.perf_counter() - begun
    for process in sources:
        process.wait()
    return Rate(count / seconds, (relay.cpu_seconds() - cpu) / count * 1000)


def _shares(count: int, among: int) -> Sequence[int]:
    return [count // among + (number < count % among) for number in range(among)]
