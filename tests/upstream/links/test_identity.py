"""A server is the same as long as it is run with the same."""

from __future__ import annotations

import pytest

from callmux.config.servers import HttpServer, StdioServer
from callmux.upstream.links.identity import fingerprint, is_portable


@pytest.mark.parametrize(
    "other",
    [
        StdioServer(command="y"),
        StdioServer(command="x", args=("a",)),
        StdioServer(command="x", env={"A": "1"}),
        StdioServer(command="x", cwd="/"),
        StdioServer(command="x", detached="leave"),
        HttpServer(url="http://x.invalid"),
        HttpServer(url="http://x.invalid", headers={"A": "1"}),
    ],
)
def test_whatever_it_is_run_with_makes_it_another(other: StdioServer | HttpServer) -> None:
    assert fingerprint(other) != fingerprint(StdioServer(command="x"))


def test_what_is_no_matter_of_the_connection_does_not() -> None:
    lazy = StdioServer(command="x", start="lazy", idle_stop_seconds=5, call_timeout_ms=1, tools=("a",))
    assert fingerprint(lazy) == fingerprint(StdioServer(command="x"))


def test_where_the_directory_decides_what_it_is() -> None:
    assert not is_portable(StdioServer(command="x"))
    assert is_portable(HttpServer(url="http://x.invalid"))
