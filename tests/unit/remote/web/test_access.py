"""Which `Host` and `Origin` are answered."""

import pytest

from firmware_ctl.remote.web.access import is_own_host, is_same_origin, is_this_machine


@pytest.mark.parametrize(
    "host",
    [
        "192.168.1.5:8043", "192.168.1.5", "[fe80::1]:8043", "[::1]", "localhost:8043",
        "LOCALHOST", "mat.local", "mat.local.:8043", "mat.ts.net",
    ],
)  # fmt: skip
def test_own_host_is_an_address_a_local_name_or_a_configured_one(host: str) -> None:
    assert is_own_host(host, ["mat.ts.net"])


@pytest.mark.parametrize(
    "host",
    [
        "", "evil.example", "192.168.1.5.evil.example", "local", "evil.local.example", "mat.ts.net",
        "localhost.evil.example", "[::1", "a@evil.example", "http://localhost", "[evil]:80", ":80",
        "evil.example:80:localhost", "localhost@evil.example", "\x00", "1.2.3.4.5", "①.local.example",
    ],
)  # fmt: skip
def test_other_host_is_refused(host: str) -> None:
    assert not is_own_host(host, [])


@pytest.mark.parametrize(
    ("origin", "host", "is_same"),
    [
        (None, "192.168.1.5:8043", True),
        ("http://192.168.1.5:8043", "192.168.1.5:8043", True),
        ("https://Mat.local", "mat.local", True),
        ("http://192.168.1.5", "192.168.1.5:8043", False),
        ("http://evil.example", "192.168.1.5:8043", False),
        ("http://192.168.1.5:8043.evil.example", "192.168.1.5:8043", False),
        ("null", "null", False),
        ("file://", "", False),
        ("", "", False),
        ("chrome-extension://192.168.1.5:8043", "192.168.1.5:8043", False),
    ],
)
def test_origin_must_equal_the_host(origin: str | None, host: str, is_same: bool) -> None:
    assert is_same_origin(origin, host) is is_same


@pytest.mark.parametrize(
    ("peer", "host", "is_here"),
    [
        ("127.0.0.1", "127.0.0.1:8043", True),
        ("::1", "[::1]:8043", True),
        ("127.0.0.1", "localhost", True),
        ("127.0.0.1", "192.168.1.5:8043", False),
        ("127.0.0.1", "mat.local", False),
        ("192.168.1.9", "localhost", False),
        ("", "localhost", False),
    ],
)
def test_this_machine_needs_its_address_on_both_sides(peer: str, host: str, is_here: bool) -> None:
    assert is_this_machine(peer, host) is is_here
