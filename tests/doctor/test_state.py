"""`callmux doctor` says of `state` what would keep listeners from being one, and names the field."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from msgspec import structs

from callmux.config.state import StateSection
from callmux.doctor import state as state_module
from callmux.doctor.state import state_findings
from callmux.process.shared_state import open_shared_state
from tests.redis_server import RedisServer, own_prefix
from tests.support import real_loop

KEY = "a key that is long enough"
ENV = {"KEY": KEY}


def section(url: str, **more: Any) -> StateSection:
    return StateSection(
        **{"url": url, "key": "env:KEY", "key_prefix": own_prefix(), "timeout_ms": 20_000, **more}
    )


@real_loop()
async def test_what_is_fine_is_told_in_one_line_and_leaves_nothing_behind(
    redis_url: str, tmp_path: Path
) -> None:
    state = section(redis_url)
    running = await open_shared_state(state, tmp_path, ENV)
    await running.keep_company()
    found = await state_findings(state, tmp_path, ENV)
    assert (found.issues, found.warnings) == ([], [])
    (line,) = found.lines
    assert re.fullmatch(r"State: (Redis|Valkey) [0-9.]+ at \S+, 1 listener shares it", line), line
    assert await running.connection.run("HLEN", running.connection.key("listeners")) == 1
    await running.close()


@real_loop()
async def test_another_key_is_an_issue_of_its_field(redis_url: str, tmp_path: Path) -> None:
    state = section(redis_url)
    running = await open_shared_state(state, tmp_path, ENV)
    found = await state_findings(state, tmp_path, {"KEY": KEY + "!"})
    (issue,) = found.issues
    assert issue.startswith("state.key is another one here than at ")
    found = await state_findings(structs.replace(state, key=None), tmp_path, {})
    assert any(issue.startswith("state.key is set at ") for issue in found.issues)
    assert any(warning.startswith("state.key is not set") for warning in found.warnings)
    await running.close()


@real_loop()
async def test_without_a_key_that_of_the_seal_is_compared(redis_url: str, tmp_path: Path) -> None:
    state = section(redis_url, key=None)
    running = await open_shared_state(state, tmp_path, {})
    found = await state_findings(state, tmp_path, {})
    assert found.issues == []
    assert len(found.warnings) == 1
    await running.close()


@real_loop()
async def test_clocks_forms_and_limits_that_do_harm_are_told(
    own_redis: RedisServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    state = section(own_redis.url)
    running = await open_shared_state(state, tmp_path, ENV)
    run = running.connection.run
    await run("HSET", f"{state.key_prefix}2:listeners", "x", "y")
    far = b'99999999999999 %b {"name":"far","version":"1","ahead":-61.2}' % running.mark.encode()
    early = far.replace(b"far", b"early").replace(b"-61.2", b"75.3")
    await run("HSET", running.connection.key("listeners"), "far", far, "early", early)
    await run("CONFIG", "SET", "maxmemory", "200mb")
    await run("CONFIG", "SET", "maxmemory-policy", "allkeys-lru")
    monkeypatch.setattr(state_module, "CLOCK_SECONDS", -1.0)
    found = await state_findings(state, tmp_path, ENV)
    assert found.issues == []
    told = "\n".join(found.warnings)
    for words in (
        "maxmemory-policy allkeys-lru",
        "this machine's clock is 0 s ",
        "the clock of far is 61 s behind that of Redis at ",
        "the clock of early is 75 s ahead of that of Redis at ",
        "another version of callmux use Redis at",
    ):
        assert words in told
    monkeypatch.setattr(state_module, "OLDEST", (99, 0))
    (issue,) = (await state_findings(state, tmp_path, ENV)).issues
    assert "is too old: 7.0 or newer is needed" in issue
    await running.close()


@real_loop()
async def test_what_cannot_be_reached_looked_up_or_asked_is_named(
    own_redis: RedisServer, tmp_path: Path
) -> None:
    away = section(f"unix://{tmp_path}/none", timeout_ms=500)
    (issue,) = (await state_findings(away, tmp_path, ENV)).issues
    assert issue.startswith("state.url: Redis at ")
    (issue,) = (await state_findings(section(own_redis.url), tmp_path, {})).issues
    assert "state.key" in issue
    # A user who may do all but look at the server itself.
    running = await open_shared_state(section(own_redis.url), tmp_path, ENV)
    rights = ("on", ">hush-hush-hush-9", "~*", "+@all", "-info", "-hlen")
    await running.connection.run("ACL", "SETUSER", "app", *rights)
    await running.close()
    given = section(own_redis.url, username="app", password="env:P")
    found = await state_findings(given, tmp_path, {**ENV, "P": "hush-hush-hush-9"})
    assert found.issues[0].startswith("state.url: Redis at")
    await _granted(own_redis, tmp_path)
    found = await state_findings(given, tmp_path, {**ENV, "P": "hush-hush-hush-9"})
    assert found.issues == []
    assert found.warnings[0].startswith("state: the version of Redis is not known")


async def _granted(server: RedisServer, folder: Path) -> None:
    running = await open_shared_state(section(server.url), folder, ENV)
    await running.connection.run("ACL", "SETUSER", "app", "+hlen")
    await running.close()


def test_what_a_cluster_says_is_what_one_of_its_servers_says() -> None:
    assert state_module._of_one({"10.0.0.1:6379": {"redis_version": "7.2"}}) == {"redis_version": "7.2"}
    assert state_module._numbers("7.x") == (7, 0)
