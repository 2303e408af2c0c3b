"""Which hosts are this machine."""

from __future__ import annotations

import pytest

from callmux.loopback import is_loopback


@pytest.mark.parametrize(
    "host", ["localhost", "LocalHost", "127.0.0.1", "LOCALHOST", "127.9.9.9", "::1", "[::1]"]
)
def test_names_and_addresses_of_this_machine(host: str) -> None:
    assert is_loopback(host)


@pytest.mark.parametrize("host", ["", "localhost.x", "10.0.0.1", "0.0.0.0", "::", "[fe80::1]", "127.0.0.1.x"])
def test_everything_else_may_be_another_machine(host: str) -> None:
    assert not is_loopback(host)
