"""What several listeners share: where it is, which secrets open it, and what is known without Redis."""

from __future__ import annotations

import asyncio
import os
import re
import time
from pathlib import Path
from typing import Any

import pytest
from msgspec import structs

from callmux.config.state import StateSection
from callmux.config.veil import EVERYWHERE
from callmux.errors import ConfigError, StoreUnavailable
from callmux.process.shared_state import open_shared_state
from callmux.stores.redis_listeners import RedisListeners
from callmux.stores.sessions import KeptSession
from tests.redis_server import RedisServer, own_prefix
from tests.support import real_loop, until

KEY = "a key that is long enough"


@real_loop()
async def test_listeners_with_one_prefix_have_one_seal_and_others_have_another(
    redis_url: str, tmp_path: Path
) -> None:
    prefix = own_prefix()
    keys = []
    for one in (prefix, prefix, own_prefix()):
        shared = await open_shared_state(
            StateSection(url=redis_url, key_prefix=one, timeout_ms=20_000), tmp_path, {}
        )
        keys.append(shared.derived("sessions"))
        await shared.close()
    assert keys[0] == keys[1] != keys[2]
    assert len(keys[0]) == 32


@real_loop()
async def test_a_seal_that_redis_has_lost_is_brought_back_by_a_listener_that_runs(
    own_redis: RedisServer, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    state = StateSection(url=own_redis.url)
    running = await open_shared_state(state, tmp_path, {})
    seal = running.connection.key("seal")
    own_redis.kill()
    own_redis.start()
    await until(lambda: "is lost" in caplog.text, "the loss")
    found = None
    while found is None:
        found = await running.connection.run("GET", seal)
    started = await open_shared_state(state, tmp_path, {})
    assert started.derived("sessions") == running.derived("sessions")
    assert "Start this listener anew" not in caplog.text
    await running.connection.run("SET", seal, "another one")
    await running._restore()
    assert "Start this listener anew" in caplog.text
    for shared in (running, started):
        await shared.close()


@real_loop()
async def test_with_a_key_of_its_own_a_listener_starts_while_redis_is_away(tmp_path: Path) -> None:
    keys = []
    for secret in (KEY, KEY, KEY + "!"):
        state = StateSection(url=f"unix://{tmp_path}/none", key="env:KEY")
        shared = await open_shared_state(state, tmp_path, {"KEY": secret})
        keys.append(shared.derived("sessions"))
        assert shared.facts()["connected"] is False
        assert shared.facts()["problem"]
        assert shared.derived("tokens") != shared.derived("sessions")
        await shared.close()
    assert keys[0] == keys[1] != keys[2]


@real_loop()
async def test_without_one_it_says_what_would_help(tmp_path: Path) -> None:
    with pytest.raises(StoreUnavailable, match=r"state\.key"):
        await open_shared_state(StateSection(url=f"unix://{tmp_path}/none"), tmp_path, {})


@real_loop()
async def test_a_password_behind_a_reference_opens_it_and_is_hidden_everywhere(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    server = RedisServer("--requirepass", "hush-hush-hush-9")
    try:
        (tmp_path / "password").write_text("hush-hush-hush-9\n")
        shared = await open_shared_state(
            StateSection(url=server.url, password="file:password", timeout_ms=20_000), tmp_path, {}
        )
        assert shared.facts() == {"connected": True, "address": str(server.socket)}
        await shared.sessions.put("id", KeptSession(begun=1, version="v", capabilities="{}"), 60)
        assert EVERYWHERE.hide("x hush-hush-hush-9 y") == "x [redacted] y"
        assert "hush-hush" not in repr(shared)
        await shared.close()
        env = {"P": "other-hush-9", "KEY": KEY}
        wrong = await open_shared_state(
            StateSection(url=server.url, password="env:P", key="env:KEY"), tmp_path, env
        )
        assert not wrong.connection.is_up
        assert "other-hush-9" not in caplog.text
        await wrong.close()
    finally:
        server.close()


@pytest.mark.parametrize(
    ("more", "problem"),
    [
        ({"url": "env:NOBODY"}, r"state\.url"),
        ({"url": "env:ODD"}, r"state\.url must be redis://"),
        ({"password": "env:NOBODY"}, r"state\.password"),
        ({"sentinel_password": "env:NOBODY"}, r"state\.sentinelPassword"),
        ({"key": "env:NOBODY"}, r"state\.key"),
        ({"key": "env:SHORT"}, r"state\.key must have at least 16"),
    ],
)
@real_loop()
async def test_what_has_no_usable_value_is_named(more: dict[str, Any], problem: str, tmp_path: Path) -> None:
    env = {"ODD": "http://a", "SHORT": "short"}
    with pytest.raises(ConfigError, match=problem):
        await open_shared_state(StateSection(**{"url": "redis://a", **more}), tmp_path, env)


@real_loop()
async def test_a_listener_with_another_key_does_not_start_and_says_which_field_is_wrong(
    redis_url: str, tmp_path: Path
) -> None:
    state = StateSection(url=redis_url, key="env:KEY", key_prefix=own_prefix(), timeout_ms=20_000)
    running = await open_shared_state(state, tmp_path, {"KEY": KEY})
    for env, section in (
        ({"KEY": KEY + "!"}, state),
        ({}, structs.replace(state, key=None)),
    ):
        with pytest.raises(ConfigError, match=r"state\.key is .*give all listeners the same") as refused:
            await open_shared_state(section, tmp_path, env)
        assert f"process {os.getpid()}" in str(refused.value)
        assert KEY not in str(refused.value)
    beside = await open_shared_state(state, tmp_path, {"KEY": KEY})
    stored = await running.connection.run("HGETALL", running.connection.key("listeners"))
    assert len(stored) == 2
    assert all(KEY.encode() not in value for value in stored.values())
    for shared in (running, beside):
        await shared.close()
    changed = await open_shared_state(state, tmp_path, {"KEY": KEY + "!"})
    await changed.close()


@real_loop()
async def test_listeners_that_started_without_redis_say_loudly_that_their_keys_differ(
    own_redis: RedisServer, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    state = StateSection(url=own_redis.url, key="env:KEY")
    own_redis.kill()
    both = [await open_shared_state(state, tmp_path, {"KEY": key}) for key in (KEY, KEY + "!")]
    own_redis.start()
    for shared in both:
        await until(lambda found=shared: found.connection.is_up, "Redis")  # type: ignore[misc]
        await shared.keep_company()
        await shared.keep_company()
    (told,) = [record for record in caplog.records if record.levelname == "ERROR"]
    assert "state.key is another one here than" in told.getMessage()
    assert "state.key" in both[1].facts()["problem"]
    assert "problem" not in both[0].facts()
    await both[0].close()
    await both[1].keep_company()
    assert "problem" not in both[1].facts()
    own_redis.kill()
    await both[1].keep_company()
    await both[1].close()


@real_loop()
async def test_nothing_stays_open_where_the_opening_is_given_up(tmp_path: Path) -> None:
    begun = asyncio.Event()

    async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        begun.set()
        await reader.read()
        writer.close()

    async with await asyncio.start_unix_server(silent, tmp_path / "s"):
        before = asyncio.all_tasks()
        state = StateSection(url=f"unix://{tmp_path}/s", key="env:KEY", timeout_ms=60_000)
        opening = asyncio.create_task(open_shared_state(state, tmp_path, {"KEY": KEY}))
        await begun.wait()
        opening.cancel()
        with pytest.raises(asyncio.CancelledError):
            await opening
        await until(lambda: asyncio.all_tasks() <= before, "that no task is left")


@real_loop()
async def test_everything_is_closed_where_the_closing_is_given_up(redis_url: str, tmp_path: Path) -> None:
    before = asyncio.all_tasks()
    state = StateSection(url=redis_url, key_prefix=own_prefix(), timeout_ms=20_000)
    shared = await open_shared_state(state, tmp_path, {})
    closing = asyncio.create_task(shared.close())
    await asyncio.sleep(0)
    closing.cancel()
    with pytest.raises(asyncio.CancelledError):
        await closing
    assert shared.connection._closed
    await until(lambda: asyncio.all_tasks() <= before, "that no task is left")


@real_loop()
@pytest.mark.parametrize(("off", "says"), [(60.0, "ahead of"), (-60.0, "behind")])
async def test_a_clock_that_is_off_is_said_once_which_way_and_how_far(
    redis_url: str, tmp_path: Path, caplog: pytest.LogCaptureFixture, off: float, says: str
) -> None:
    state = StateSection(url=redis_url, key_prefix=own_prefix(), timeout_ms=20_000)
    shared = await open_shared_state(state, tmp_path, {})
    await shared.keep_company()
    assert "clock" not in caplog.text
    shared.listeners = RedisListeners(shared.connection, lambda: time.time() + off)
    for _ in range(2):
        await shared.keep_company()
    assert (
        len(re.findall(rf"this machine's clock is (59|60|61) s {says} that of Redis at ", caplog.text)) == 1
    )
    await shared.close()
