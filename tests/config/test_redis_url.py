"""URLs of Redis: every kind of place, and what is refused."""

from __future__ import annotations

import pytest

from callmux.config.redis_url import RedisAddress, read_redis_url


@pytest.mark.parametrize(
    ("url", "address"),
    [
        ("redis://localhost", RedisAddress(kind="single", hosts=(("localhost", 6379),))),
        (
            "rediss://me:p%40ss@db.example:6390/3",
            RedisAddress(
                kind="single",
                tls=True,
                hosts=(("db.example", 6390),),
                database=3,
                username="me",
                password="p@ss",
            ),
        ),
        (
            "redis://:p@[::1]:7/?db=2",
            RedisAddress(kind="single", hosts=(("::1", 7),), database=2, password="p"),
        ),
        ("unix:///run/redis.sock?db=1", RedisAddress(kind="unix", path="/run/redis.sock", database=1)),
        ("unix://:p@/run/a%20b", RedisAddress(kind="unix", path="/run/a b", password="p")),
        (
            "redis+sentinel://a,b:7/main/4",
            RedisAddress(kind="sentinel", hosts=(("a", 26379), ("b", 7)), service="main", database=4),
        ),
        (
            "rediss+cluster://a,[::2]:7",
            RedisAddress(kind="cluster", tls=True, hosts=(("a", 6379), ("::2", 7))),
        ),
    ],
)
def test_a_url_says_where_redis_is(url: str, address: RedisAddress) -> None:
    assert read_redis_url(url) == address


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("http://a", "must be redis://"),
        ("localhost:6379", "must be redis://"),
        ("redis://[a", "must be redis://"),
        ("redis://", "name a host"),
        ("redis://a:x", "port"),
        ("redis://a:70000", "port"),
        ("redis://a:0", "port"),
        ("redis://a/one", "number"),
        ("redis://a/1/2", "must be redis://"),
        ("redis://a?ssl=1", '"db"'),
        ("redis://a#b", '"db"'),
        ("unix://run/redis.sock", "three slashes"),
        ("unix://?db=1", "three slashes"),
        ("redis+sentinel://a", "service"),
        ("redis+sentinel://a/b/1/2", "service"),
        ("redis+cluster://a/1", "only one"),
    ],
)
def test_what_is_no_url_of_redis_is_refused_and_not_repeated(url: str, reason: str) -> None:
    with pytest.raises(ValueError, match=reason) as caught:
        read_redis_url(url)
    assert url not in str(caught.value)


def test_what_is_shown_of_an_address_has_no_credential() -> None:
    for url, shown in (
        ("redis://me:hush@a:7/1", "a:7"),
        ("redis://me:hush@[::1]", "[::1]:6379"),
        ("unix://me:hush@/run/x", "/run/x"),
        ("redis+sentinel://me:hush@a,b/main", "a:26379,b:26379/main"),
    ):
        address = read_redis_url(url)
        assert address.shown == shown
        assert "hush" not in repr(address)


def test_one_host_is_meant_unless_sentinels_or_a_cluster_are() -> None:
    with pytest.raises(ValueError, match="one host"):
        read_redis_url("redis://a,b")
