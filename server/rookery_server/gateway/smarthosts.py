"""Smarthosts as administrators write them: ``smtp://USER:PASSWORD@HOST:PORT``."""

from __future__ import annotations

from urllib.parse import unquote, urlsplit

from rookery_core.errors import InvalidArgument
from rookery_server.gateway.routing import Smarthost
from rookery_server.gateway.security import Level
from rookery_server.gateway.smtp_session import Credentials

_PORTS = {"smtp": 25, "smtps": 465}
_SUBMISSION_PORT = 587


def parse(url: str) -> Smarthost:
    """The smarthost. InvalidArgument ``FIELD_INVALID``.

    ``smtps`` is TLS from the first byte, by port 465 unless another is given. ``smtp`` with a user is by port 587, and TLS is
    required, since a password never goes in plain text; without one by port 25, encrypted if the host can.
    """
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError:
        host, port, parts = None, None, urlsplit("")
    if parts.scheme not in _PORTS or not host or parts.path.strip("/") or parts.query or parts.fragment:
        message = "the smarthost is written smtp://HOST:PORT or smtps://USER:PASSWORD@HOST:PORT"
        raise InvalidArgument("FIELD_INVALID", message, field="smarthost")
    immediate = parts.scheme == "smtps"
    credentials = None
    if parts.username:
        credentials = Credentials(unquote(parts.username), unquote(parts.password or ""))
    usual = _SUBMISSION_PORT if credentials and not immediate else _PORTS[parts.scheme]
    level = Level.VERIFY if immediate or credentials else Level.MAY
    return Smarthost(host, port or usual, level, immediate_tls=immediate, credentials=credentials)
