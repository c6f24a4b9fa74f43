"""Settings: where they come from, which wins, what is refused."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from rookery_core.errors import InvalidArgument
from rookery_core.rules import amounts
from rookery_server import config

if TYPE_CHECKING:
    import pathlib
    from collections.abc import Callable


@pytest.fixture
def toml(tmp_path: pathlib.Path) -> Callable[[str], pathlib.Path]:
    def write(text: str) -> pathlib.Path:
        file = tmp_path / "rookery.toml"
        file.write_text(text)
        return file

    return write


def test_defaults_make_a_server_on_loopback_with_sqlite_in_its_folder(tmp_path: pathlib.Path) -> None:
    settings = config.load({"data": str(tmp_path)}, {})
    assert settings.listen == "127.0.0.1:6464"
    assert settings.database_url == f"sqlite:///{tmp_path}/rookery.db"
    assert settings.unix_socket == tmp_path / "rookery.sock"
    assert settings.max_message_bytes == 100 << 20 and settings.quota_bytes == 0
    assert settings.retention_recoverable == 14 * 86_400
    assert settings.tls_cert is settings.tls_key is None and not settings.insecure_plaintext


def test_a_flag_beats_the_environment_which_beats_the_file_which_beats_the_default(
    tmp_path: pathlib.Path, toml: Callable[[str], pathlib.Path]
) -> None:
    toml('log_level = "debug"\nquota_bytes = "1GiB"\nretention_recoverable = "2d"\n')
    environment = {"ROOKERY_QUOTA_BYTES": "2GiB", "ROOKERY_RETENTION_RECOVERABLE": "3d"}
    settings = config.load({"data": str(tmp_path), "retention_recoverable": "4d", "listen": None}, environment)
    assert settings.log_level == "debug"
    assert settings.quota_bytes == 2 << 30
    assert settings.retention_recoverable == 4 * 86_400


def test_the_data_folder_may_come_from_the_environment_and_its_file_is_read(
    tmp_path: pathlib.Path, toml: Callable[[str], pathlib.Path]
) -> None:
    toml('listen = "127.0.0.1:1"\n')
    assert config.load({}, {"ROOKERY_DATA": str(tmp_path)}).listen == "127.0.0.1:1"


def test_a_named_file_replaces_the_one_in_the_folder(tmp_path: pathlib.Path, toml: Callable[[str], pathlib.Path]) -> None:
    toml('listen = "127.0.0.1:1"\n')
    named = tmp_path / "other.toml"
    named.write_text(f'listen = "127.0.0.1:2"\ndata = "{tmp_path}/elsewhere"\n')
    settings = config.load({"data": None}, {"ROOKERY_DATA": str(tmp_path)}, named)
    assert (settings.listen, settings.data) == ("127.0.0.1:2", tmp_path)
    assert config.load({}, {}, named).data == tmp_path / "elsewhere"


@pytest.mark.parametrize(
    ("text", "bytes_"),
    [("0", 0), ("12", 12), ("12B", 12), ("1 KiB", 1024), ("64MiB", 64 << 20), ("2gib", 2 << 30), ("1TiB", 1 << 40), (5, 5)],
)
def test_sizes_are_numbers_with_a_unit(text: str | int, bytes_: int) -> None:
    assert amounts.size(text) == bytes_


@pytest.mark.parametrize(("text", "seconds"), [("90", 90), ("90s", 90), ("5m", 300), ("2h", 7200), ("14d", 1_209_600)])
def test_durations_are_numbers_with_a_unit(tmp_path: pathlib.Path, text: str, seconds: int) -> None:
    flags = {"data": str(tmp_path), "retention_recoverable": text}
    assert config.load(flags, {}).retention_recoverable == seconds


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("max_message_bytes", "64MB"),
        ("max_message_bytes", "-1"),
        ("max_message_bytes", True),
        ("retention_recoverable", "2 weeks"),
        ("listen", "6464"),
        ("listen", "localhost:99999"),
        ("log_format", "xml"),
        ("insecure_plaintext", "perhaps"),
        ("tls_cert", "alone.pem"),
    ],
)
def test_a_value_that_is_none_is_refused_by_the_name_of_its_setting(tmp_path: pathlib.Path, name: str, value: object) -> None:
    with pytest.raises(InvalidArgument) as caught:
        config.load({"data": str(tmp_path), name: value}, {})
    assert caught.value.field in {name, "tls_key"}


@pytest.mark.parametrize("text", ["lisen = 'x'", "listen = ", "[listen]\nhost = 'x'", "\xff"])
def test_a_file_with_mistakes_is_refused(tmp_path: pathlib.Path, toml: Callable[[str], pathlib.Path], text: str) -> None:
    toml("").write_bytes(text.encode("latin-1"))
    with pytest.raises(InvalidArgument):
        config.load({"data": str(tmp_path)}, {})


def test_a_named_file_has_to_be_there(tmp_path: pathlib.Path) -> None:
    with pytest.raises(InvalidArgument, match=r"missing\.toml"):
        config.load({"data": str(tmp_path)}, {}, tmp_path / "missing.toml")


def test_a_switch_may_be_turned_off_again(tmp_path: pathlib.Path) -> None:
    environment = {"ROOKERY_INSECURE_PLAINTEXT": "yes"}
    assert config.load({"data": str(tmp_path)}, environment).insecure_plaintext
    assert not config.load({"data": str(tmp_path), "insecure_plaintext": False}, environment).insecure_plaintext


def test_every_setting_has_its_place_and_its_help() -> None:
    assert {setting.name for setting in config.SETTINGS} == set(config.Settings.__dataclass_fields__)
    assert all(setting.help.endswith(".") or "…" in setting.help for setting in config.SETTINGS)


def test_no_listener_for_mail_is_there_unless_it_is_asked_for(tmp_path: pathlib.Path) -> None:
    settings = config.load({"data": str(tmp_path)}, {})
    assert settings.lmtp == settings.smtp == settings.submission == settings.submissions == ""
    assert settings.trusted_relays == () and settings.trusted_authserv == ()


def test_listeners_for_mail_are_addresses_and_lmtp_may_be_a_socket(tmp_path: pathlib.Path) -> None:
    flags = {"lmtp": str(tmp_path / "lmtp.sock"), "smtp": "0.0.0.0:25", "submission": "[::1]:587", "submissions": "127.0.0.1:465"}
    settings = config.load({"data": str(tmp_path), **flags}, {})
    assert {name: getattr(settings, name) for name in flags} == flags
    assert config.load({"data": str(tmp_path), "lmtp": "127.0.0.1:24"}, {}).lmtp == "127.0.0.1:24"
    for name in flags:
        with pytest.raises(InvalidArgument, match="HOST:PORT"):
            config.load({"data": str(tmp_path), name: "localhost"}, {})
    with pytest.raises(InvalidArgument, match="HOST:PORT"):
        config.load({"data": str(tmp_path), "smtp": str(tmp_path / "smtp.sock")}, {})


def test_the_hosts_in_front_are_named_by_address_and_by_name(tmp_path: pathlib.Path) -> None:
    flags = {"trusted_relays": "192.0.2.7, 2001:db8::/64 10.0.0.0/8", "trusted_authserv": "mx.example.org,mx2.example.org"}
    settings = config.load({"data": str(tmp_path), **flags}, {})
    assert [str(network) for network in settings.trusted_relays] == ["192.0.2.7/32", "2001:db8::/64", "10.0.0.0/8"]
    assert settings.trusted_authserv == ("mx.example.org", "mx2.example.org")
    for wrong in ("mx.example.org", "192.0.2.7/24", "192.0.2"):
        with pytest.raises(InvalidArgument, match="addresses and networks"):
            config.load({"data": str(tmp_path), "trusted_relays": wrong}, {})
