"""Clients of every kind of Redis."""

from __future__ import annotations

import sys

import pytest

from callmux.config.redis_url import read_redis_url
from callmux.config.state import StateSection
from callmux.errors import ConfigError
from callmux.stores.redis_client import failures, make_client
from tests.support import real_loop

OPTIONS = StateSection(url="redis://a", timeout_ms=1234, connect_timeout_ms=2345)


@real_loop()
@pytest.mark.parametrize(
    ("url", "kind"),
    [
        ("redis://me:hush@a:7/2", "Redis"),
        ("rediss://a", "Redis"),
        ("unix:///run/x", "Redis"),
        ("redis+sentinel://a,b/main", "Redis"),
        ("rediss+cluster://a,b", "RedisCluster"),
    ],
)
async def test_each_kind_of_url_has_its_client_and_none_waits_for_ever(url: str, kind: str) -> None:
    client = make_client(read_redis_url(url), OPTIONS, ca_file="/ca.pem", sentinel_password="hush")
    assert type(client).__name__ == kind
    pool = getattr(client, "connection_pool", None)
    if pool is not None:
        assert pool.connection_kwargs["socket_timeout"] == 1.234
        assert pool.connection_kwargs.get("socket_connect_timeout", 2.345) == 2.345
    await client.aclose()


@real_loop()
async def test_who_signs_in_where_is_taken_from_the_address() -> None:
    client = make_client(read_redis_url("redis://me:hush@a:7/2"), OPTIONS)
    told = client.connection_pool.connection_kwargs  # type: ignore[attr-defined]
    assert (told["host"], told["port"], told["db"]) == ("a", 7, 2)
    assert (told["username"], told["password"]) == ("me", "hush")


def test_where_the_package_is_missing_the_command_that_installs_it_is_named(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(sys.modules, "redis.asyncio", None)
    with pytest.raises(ConfigError, match=r"pip install 'callmux\[redis\]'"):
        make_client(read_redis_url("redis://a"), OPTIONS)


def test_a_connection_that_cannot_be_made_means_that_it_is_away() -> None:
    away, refused = failures()
    assert issubclass(ConnectionRefusedError, away)
    assert issubclass(TimeoutError, away)
    assert not any(issubclass(AssertionError, kind) for kind in (*away, *refused))
