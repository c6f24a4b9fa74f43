"""Settings: defaults < TOML file < environment < flags. Nothing else in the server reads the environment.

One table, ``SETTINGS``, says everything: the flags of ``rookeryd``, the variables and the keys of the file are made from it.
"""

from __future__ import annotations

import ipaddress
import pathlib
import re
import tomllib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from rookery_core.errors import InvalidArgument
from rookery_core.rules import amounts

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

Networks = tuple[ipaddress.IPv4Network | ipaddress.IPv6Network, ...]

_TRUE, _FALSE = frozenset({"true", "yes", "on", "1"}), frozenset({"false", "no", "off", "0"})


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise ValueError("text is")  # noqa: TRY004 - one exception for all values that are wrong
    return value


def _path(value: object) -> pathlib.Path | None:
    return pathlib.Path(_text(value)).expanduser() if value else None


def _switch(value: object) -> bool:
    if isinstance(value, bool):
        return value
    word = _text(value).lower()
    if word not in _TRUE | _FALSE:
        raise ValueError("true or false is")
    return word in _TRUE


def _listen(value: object) -> str:
    host, colon, port = _text(value).rpartition(":")
    if not (colon and host.strip("[]") and port.isdecimal() and int(port) < 65536):
        raise ValueError("HOST:PORT is, like 127.0.0.1:6464")
    return f"{host}:{port}"


def _listen_or_not(value: object) -> str:
    return _listen(value) if value else ""


def _listen_or_path(value: object) -> str:
    """An absolute path is a Unix socket's; nothing else begins with a slash."""
    return _text(value) if str(value).startswith("/") else _listen_or_not(value)


def _base_url(value: object) -> str:
    text = _text(value).rstrip("/")
    if text and not re.fullmatch(r"https?://[^\s/?#]+(/[^\s?#]*)?", text):
        raise ValueError("http:// or https:// and a host, and maybe a path, is")
    return text


def _names(value: object) -> tuple[str, ...]:
    return tuple(_text(value).replace(",", " ").split())


def _networks(value: object) -> Networks:
    try:
        return tuple(map(ipaddress.ip_network, _names(value)))
    except ValueError:
        raise ValueError("a list of IP addresses and networks is, like 192.0.2.7, 2001:db8::/64") from None


def _choice(*choices: str) -> Callable[[object], str]:
    def parse(value: object) -> str:
        if value not in choices:
            raise ValueError(f"one of {', '.join(choices)} is")
        return str(value)

    return parse


@dataclass(frozen=True)
class Setting:
    """One setting: how its value is read, what it is if nobody says, and what it means."""

    name: str
    parse: Callable[[object], Any]
    default: object
    help: str
    metavar: str = "TEXT"

    @property
    def variable(self) -> str:
        """Its name in the environment."""
        return f"ROOKERY_{self.name.upper()}"

    @property
    def flag(self) -> str:
        """Its name on the command line; what is on by default has two, so that it can be put out."""
        name = self.name.replace("_", "-")
        return f"--{name}/--no-{name}" if self.default is True else f"--{name}"

    @property
    def is_switch(self) -> bool:
        """Whether the flag takes no value."""
        return self.parse is _switch


SETTINGS: tuple[Setting, ...] = (
    Setting("data", _path, "./data", "Folder with the database, the lock and the socket.", "DIR"),
    Setting("database_url", _text, "", "PostgreSQL instead of the SQLite file DIR/rookery.db: postgresql://…", "URL"),
    Setting("listen", _listen, "127.0.0.1:6464", "Where to serve gRPC; port 0 takes a free one.", "HOST:PORT"),
    Setting("tls_cert", _path, "", "PEM file with the certificate and its chain: serve TLS.", "FILE"),
    Setting("tls_key", _path, "", "PEM file with the certificate's private key.", "FILE"),
    Setting("insecure_plaintext", _switch, False, "Serve plain text on addresses beyond this machine too."),
    Setting("unix_socket", _path, "", "Socket for administration; DIR/rookery.sock where unset.", "FILE"),
    Setting("max_message_bytes", amounts.size, "100MiB", "The largest message, attachment or document taken.", "SIZE"),
    Setting("quota_bytes", amounts.size, "0", "Limit of a new account's mailbox; 0 is none.", "SIZE"),
    Setting("retention_recoverable", amounts.duration, "14d", "How long deleted items can be restored.", "DURATION"),
    Setting(
        "mail_delivery",
        _choice("capture", "direct", "smarthost"),
        "capture",
        "Where mail for other servers goes: into the folder DIR/captured, to the domains' own hosts, or to the smarthost.",
        "WAY",
    ),
    Setting("smarthost", _text, "", "Who sends mail on for this server: smtp://HOST:PORT, smtps://USER:PASSWORD@HOST.", "URL"),
    Setting("mail_name", _text, "", "What the server calls itself to others, a DNS name; the machine's where unset.", "NAME"),
    Setting(
        "mail_tls",
        _names,
        "may",
        "TLS to other domains' hosts: none, may, encrypt or verify; and for single domains, like may,example.org=verify.",
        "LEVELS",
    ),
    Setting("mail_dnssec", _switch, False, "The name servers, on this machine, check DNSSEC: hold hosts to what DANE demands."),
    Setting("gateway", _switch, True, "Send mail to other servers from this process; else leave it to those of rookeryd gateway."),
    Setting("lmtp", _listen_or_path, "", "Where an MTA in front delivers mail by LMTP; or the path of a Unix socket.", "HOST:PORT"),
    Setting("smtp", _listen_or_not, "", "Where to take mail from other servers, usually port 25.", "HOST:PORT"),
    Setting("submission", _listen_or_not, "", "Where people's mail programs hand in mail, usually port 587.", "HOST:PORT"),
    Setting("submissions", _listen_or_not, "", "The same, with TLS from the first byte, usually port 465.", "HOST:PORT"),
    Setting(
        "trusted_relays",
        _networks,
        "",
        "Addresses and networks of the MTAs in front, by commas: they may use LMTP, and SMTP without a stranger's limits.",
        "NETWORKS",
    ),
    Setting("trusted_authserv", _names, "", "Whose Authentication-Results are kept, of mail from those MTAs; by commas.", "NAMES"),
    Setting("calendars", _listen_or_not, "", "Where to serve published calendars over HTTP, to whoever knows a URL.", "HOST:PORT"),
    Setting(
        "calendars_url",
        _base_url,
        "",
        "How their URLs begin where something is in front, e.g. https://calendars.example.org.",
        "URL",
    ),
    Setting("metrics", _listen_or_not, "", "Where to serve figures for Prometheus, at /metrics, to whoever asks.", "HOST:PORT"),
    Setting("log_format", _choice("json", "text"), "json", "How to log, to stderr: json or text.", "FORMAT"),
    Setting("log_level", _choice("debug", "info", "warning", "error"), "info", "The least that is logged.", "LEVEL"),
)
"""Every setting of the server."""

_BY_NAME = {setting.name: setting for setting in SETTINGS}


@dataclass(frozen=True)
class Settings:
    """The settings of one server. Sizes in bytes, durations in seconds."""

    data: pathlib.Path
    database_url: str
    listen: str
    tls_cert: pathlib.Path | None
    tls_key: pathlib.Path | None
    insecure_plaintext: bool
    unix_socket: pathlib.Path
    max_message_bytes: int
    quota_bytes: int
    retention_recoverable: int
    mail_delivery: str
    smarthost: str
    mail_name: str
    gateway: bool
    mail_tls: tuple[str, ...]
    mail_dnssec: bool
    lmtp: str
    smtp: str
    submission: str
    submissions: str
    trusted_relays: Networks
    trusted_authserv: tuple[str, ...]
    calendars: str
    calendars_url: str
    metrics: str
    log_format: str
    log_level: str


def load(flags: Mapping[str, object], environment: Mapping[str, str], config: pathlib.Path | None = None) -> Settings:
    """The settings in force. ``flags``: by setting, None where not given; ``config``: the file, else DIR/rookery.toml if there.

    InvalidArgument ``FIELD_INVALID`` for an unknown name in the file or the environment, and for a value that is none.
    """
    given: dict[str, object] = {setting.name: setting.default for setting in SETTINGS}
    said = {name: value for name, value in flags.items() if value is not None}
    variables = _of_environment(environment)
    data = _parse("data", {**given, **variables, **said}["data"])
    file = config or data / "rookery.toml"
    if config is not None or file.is_file():
        given |= _of_file(file)
    values = {name: _parse(name, value) for name, value in {**given, **variables, **said}.items()}
    values["data"] = values["data"].absolute()
    values["database_url"] = values["database_url"] or f"sqlite:///{values['data'] / 'rookery.db'}"
    values["unix_socket"] = values["unix_socket"] or values["data"] / "rookery.sock"
    if (values["tls_cert"] is None) != (values["tls_key"] is None):
        raise InvalidArgument("FIELD_INVALID", "TLS needs both tls_cert and tls_key", field="tls_key")
    if (values["mail_delivery"] == "smarthost") != bool(values["smarthost"]):
        message = "mail_delivery “smarthost” and the setting smarthost belong together: give both or none"
        raise InvalidArgument("FIELD_INVALID", message, field="smarthost")
    if not values["gateway"] and values["database_url"].startswith("sqlite:"):
        message = "without a gateway nobody sends mail from a SQLite database: other processes can work on PostgreSQL only"
        raise InvalidArgument("FIELD_INVALID", message, field="gateway")
    return Settings(**values)


def _of_environment(environment: Mapping[str, str]) -> dict[str, object]:
    return {setting.name: environment[setting.variable] for setting in SETTINGS if setting.variable in environment}


def _of_file(file: pathlib.Path) -> dict[str, object]:
    try:
        found = tomllib.loads(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise InvalidArgument("FIELD_INVALID", f"{file} can not be read: {error.strerror}", field="config") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise InvalidArgument("FIELD_INVALID", f"{file} is no TOML file: {error}", field="config") from None
    for name in found:
        if name not in _BY_NAME:
            known = ", ".join(_BY_NAME)
            raise InvalidArgument("FIELD_UNKNOWN", f"{file}: there is no setting “{name}”; there are {known}", field="config")
    return found


def _parse(name: str, value: object) -> Any:
    try:
        return _BY_NAME[name].parse(value)
    except ValueError as error:
        raise InvalidArgument("FIELD_INVALID", f"{name}: “{value}” is wrong, {error} right", field=name) from None
