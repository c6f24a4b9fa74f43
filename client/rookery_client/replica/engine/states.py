"""What an engine does at the moment, for people and programs that look on."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Offline:
    """The server can not be reached, as `message` says; the next attempt is in so many seconds."""

    seconds: float
    message: str

    def __str__(self) -> str:
        return f"offline, next attempt in {self.seconds:.0f} s"


@dataclass(frozen=True, slots=True)
class Connecting:
    """A stream is being opened."""

    def __str__(self) -> str:
        return "connecting"


@dataclass(frozen=True, slots=True)
class Filling:
    """The first fill, or that of a wider scope: items done, of about so many."""

    done: int
    total: int

    @property
    def percent(self) -> int:
        """From 0 to 100; the total is an estimate, so 100 does not promise the end."""
        return min(100, self.done * 100 // self.total) if self.total else 100

    def __str__(self) -> str:
        return f"filling, {self.percent} %"


@dataclass(frozen=True, slots=True)
class CatchingUp:
    """What happened since the last time is coming."""

    def __str__(self) -> str:
        return "catching up"


@dataclass(frozen=True, slots=True)
class UpToDate:
    """The replica equals the mailbox as it was at this revision, in what is in scope."""

    revision: int

    def __str__(self) -> str:
        return f"up to date at revision {self.revision}"


@dataclass(frozen=True, slots=True)
class Comparing:
    """The replica is compared with the mailbox, after an expired cursor or a restored server: so many questions were asked."""

    rounds: int

    def __str__(self) -> str:
        return f"comparing, round {self.rounds}"


@dataclass(frozen=True, slots=True)
class Sending:
    """Changes made here are on their way; so many are left."""

    left: int

    def __str__(self) -> str:
        return f"sending, {self.left:,} left"


@dataclass(frozen=True, slots=True)
class Failed:
    """Something is wrong that a person should know of: the error's reason and message, and what to do ("" if it is said there).

    `final`: the engine has given up for it, and has raised the error.
    """

    reason: str
    message: str
    advice: str = ""
    final: bool = False

    def __str__(self) -> str:
        return f"{self.message}: {self.advice}" if self.advice else self.message


@dataclass(frozen=True, slots=True)
class Stopped:
    """The engine does nothing any more."""

    def __str__(self) -> str:
        return "stopped"


EngineState = Offline | Connecting | Filling | CatchingUp | UpToDate | Comparing | Sending | Failed | Stopped
