"""Who calls."""

from __future__ import annotations

from dataclasses import dataclass

NO_ID = bytes(16)
"""Stands where no account or session is meant."""


@dataclass(frozen=True, slots=True)
class Caller:
    """Somebody who signed in, or the machine's own administrator on the Unix socket."""

    account_id: bytes
    """The acting account; ``NO_ID`` for the machine's administrator."""
    session_id: bytes
    """The device's session; ``NO_ID`` for the machine's administrator."""
    administrator: bool
    """May call the AdminService. It opens no mailbox: an administrator reads nobody's mail."""
    peer: str = ""
    """Where the call came from, for logs and the list of sessions."""


MACHINE_ADMINISTRATOR = Caller(NO_ID, NO_ID, administrator=True, peer="unix")
"""The caller on the server's own Unix socket, whose file permissions are the credential."""
