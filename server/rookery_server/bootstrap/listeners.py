"""Where mail comes in: LMTP, SMTP and submission, as far as the settings ask for them."""

from __future__ import annotations

import ipaddress
import pathlib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import structlog

from rookery_core.errors import InvalidArgument
from rookery_server.api.listening import is_loopback
from rookery_server.bootstrap.base import HOUR, Base, mail_name, sqlite_file
from rookery_server.services.incoming.deliveries import Deliveries
from rookery_server.services.incoming.recipients import Recipients
from rookery_server.services.submission.posting import Posting
from rookery_server.services.submission.queueing import Queueing
from rookery_server.smtp.counters import Counters
from rookery_server.smtp.encryption import tls_context
from rookery_server.smtp.limits import Limits
from rookery_server.smtp.listener import Listener
from rookery_server.smtp.receivers import IncomingMail, SubmittedMail
from rookery_server.smtp.receiving import Kind

if TYPE_CHECKING:
    import ssl

    from rookery_server.config import Settings
    from rookery_server.services.accounts.sign_in import SignIn
    from rookery_server.smtp.receiving import Receiver

_GRACE_SECONDS = 10.0
_SOCKET_MODE = 0o666
"""As open as a port of the loopback address is. Postfix gives up its groups, so that no narrower mode would let it in."""

_log = structlog.get_logger("rookery.smtp")


@dataclass(frozen=True)
class _Wanted:
    """A listener that the settings ask for."""

    setting: str
    kind: Kind
    receiver: Receiver
    implicit_tls: bool = False


@dataclass
class Listeners:
    """The listeners of one server."""

    settings: Settings
    wanted: list[_Wanted]
    addresses: dict[str, str] = field(default_factory=dict)
    """Where each one listens, by the name of its setting, once started."""
    counters: dict[str, Counters] = field(default_factory=dict)
    """What each one has done so far."""
    _running: list[Listener] = field(default_factory=list)

    async def start(self) -> None:
        """Listens. InvalidArgument ``FIELD_INVALID`` for settings that can not be; Unavailable ``ADDRESS_IN_USE``."""
        settings = self.settings
        tls = tls_context(settings.tls_cert, settings.tls_key) if self.wanted and settings.tls_cert and settings.tls_key else None
        for wanted in self.wanted:
            _require_safe(settings, wanted.setting, encrypted=tls is not None)
        for wanted in self.wanted:
            self.counters[wanted.setting] = Counters()
            listener = self._listener(wanted, tls)
            self._running.append(listener)
            address = getattr(settings, wanted.setting)
            self.addresses[wanted.setting] = await _bind(listener, address, reuse_port=sqlite_file(settings.database_url) is None)
            _log.info("listening for mail", listener=wanted.setting, address=self.addresses[wanted.setting], tls=tls is not None)

    async def stop(self) -> None:
        """Finishes what is being delivered, and listens no more."""
        while self._running:
            await self._running.pop().stop(_GRACE_SECONDS)

    def _listener(self, wanted: _Wanted, tls: ssl.SSLContext | None) -> Listener:
        settings = self.settings
        return Listener(
            wanted.kind,
            wanted.receiver,
            host=mail_name(settings),
            limits=Limits.of(wanted.kind, settings.max_message_bytes),
            counters=self.counters[wanted.setting],
            tls=tls,
            implicit_tls=wanted.implicit_tls,
            plaintext_passwords=tls is None,  # allowed by _require_safe
            trusted=lambda peer: _is_relay(settings, peer),
        )


def listeners(base: Base, sign_in: SignIn) -> Listeners:
    """What listens for mail, and what stands behind it."""
    database, clock, ids, settings = base.database, base.clock, base.ids, base.settings
    recipients = Recipients(database)
    outbound = base.outbound
    deliveries = Deliveries(database, clock, ids, outbound.groups, authserv_ids=settings.trusted_authserv, wake=outbound.wake)
    base.jobs.every("forget deliveries", HOUR, deliveries.forget_old)
    incoming = IncomingMail(
        recipients, deliveries, clock, ids, is_front=lambda peer: is_loopback(peer) or _is_relay(settings, peer)
    )
    posting = Posting(database, Queueing(base.operations, outbound), clock, ids)
    submitted = SubmittedMail(sign_in, recipients, posting)
    every = [
        _Wanted("lmtp", Kind.LMTP, incoming),
        _Wanted("smtp", Kind.SMTP, incoming),
        _Wanted("submission", Kind.SUBMISSION, submitted),
        _Wanted("submissions", Kind.SUBMISSION, submitted, implicit_tls=True),
    ]
    return Listeners(settings, [each for each in every if getattr(settings, each.setting)])


def _is_relay(settings: Settings, peer: str) -> bool:
    """Whether that is the address of an MTA in front."""
    try:
        address = ipaddress.ip_address(peer.partition("%")[0])
    except ValueError:
        return False
    return any(address in network for network in settings.trusted_relays)


def _require_safe(settings: Settings, setting: str, *, encrypted: bool) -> None:
    """InvalidArgument ``FIELD_INVALID`` for a listener that would give away passwords, or trust to anybody."""
    address = getattr(settings, setting)
    local = address.startswith("/") or is_loopback(address.rpartition(":")[0])
    match setting:
        case "lmtp" if not (local or settings.trusted_relays):
            message = (
                f"LMTP on {address} would take mail from anybody, unchecked: name the MTAs in front with --trusted-relays, "
                "or listen on a loopback address or a Unix socket"
            )
        case "submission" if not (encrypted or local or settings.insecure_plaintext):
            message = f"plain text on {address} would show passwords to the network: give --tls-cert and --tls-key"
        case "submissions" if not encrypted:
            message = f"TLS on {address} needs a certificate: give --tls-cert and --tls-key"
        case _:
            return
    raise InvalidArgument("FIELD_INVALID", message, field=setting)


async def _bind(listener: Listener, address: str, *, reuse_port: bool) -> str:
    """Listens on "HOST:PORT" or on a socket; gives the address with its real port."""
    if address.startswith("/"):
        await listener.bind_unix(pathlib.Path(address), _SOCKET_MODE)
        return address
    host, _, port = address.rpartition(":")
    return f"{host}:{await listener.bind(host.strip('[]'), int(port), reuse_port=reuse_port)}"
