from __future__ import annotations

import pytest

from rookery_server.gateway.addresses import WireAddress, to_wire


@pytest.mark.parametrize(
    ("address", "wire", "unicode"),
    [
        ("", b"", False),
        ("ben@example.org", b"ben@example.org", False),
        ("ben@EXAMPLE.org", b"ben@example.org", False),
        ('"b e n"@example.org', b'"b e n"@example.org', False),
        ('"b@n"@example.org', b'"b@n"@example.org', False),
        ("ben@[192.0.2.1]", b"ben@[192.0.2.1]", False),
        ("ben@[IPv6:2001:db8::1]", b"ben@[IPv6:2001:db8::1]", False),
        ("ben@bücher.example", b"ben@xn--bcher-kva.example", False),
        ("ben@straße.example", b"ben@xn--strae-oqa.example", False),
        ("ben@old_host.example", b"ben@old_host.example", False),
        ("bén@example.org", "bén@example.org".encode(), True),
        ("bén@bücher.example", "bén@xn--bcher-kva.example".encode(), True),
    ],
)
def test_addresses_as_they_travel(address: str, wire: bytes, unicode: bool) -> None:
    assert to_wire(address) == WireAddress(wire, unicode)


@pytest.mark.parametrize(
    "address",
    [
        "ben",
        "@example.org",
        "ben@",
        "ben@example.org>\r\nRCPT TO:<eve@example.org",
        "ben\r\n@example.org",
        "ben\0@example.org",
        "ben <x@example.org",
        "b en@example.org",
        "ben@exam ple.org",
        "ben@example..org",
        "ben@-example.org",
        "ben@example.org\n",
        '"b\rn"@example.org',
        '"ben"x@example.org',
        "ben@[300.0.2.1]",
        "ben@[2001:db8::1]",
        "ben\ud800@example.org",
        "x" * 400 + "@example.org",
        "ben@" + "x" * 64 + ".org",
    ],
)
def test_what_is_no_address_never_travels(address: str) -> None:
    assert to_wire(address) is None
