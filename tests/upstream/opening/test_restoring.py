"""What clients have asked of a server beyond single calls."""

from __future__ import annotations

import json
import logging
from typing import Any, cast

import pytest

from callmux.upstream.connection import Connection
from callmux.upstream.failures import CallFailure, Category
from callmux.upstream.opening import restoring
from tests.support import FakeClient, play


class Init:
    def __init__(self, *capabilities: str) -> None:
        self.capabilities: dict[str, Any] = {name: {} for name in capabilities}


class Wired:
    """A connection that keeps what is asked, and fails where it is told to."""

    name = "files"

    def __init__(self, init: Init | None, **failures: BaseException) -> None:
        self.init = init
        self.failures = failures
        self.asked: list[tuple[str, Any, float, Any]] = []

    async def request(self, method: str, params: bytes, seconds: float, client: Any = None) -> None:
        told = json.loads(params)
        self.asked.append((method, told, seconds, client))
        if failure := self.failures.get(told.get("uri", "level")):
            raise failure


def as_connection(wired: Wired) -> Connection:
    return cast(Connection, wired)


def client(level: str | None) -> FakeClient:
    made = FakeClient()
    made.server_level = level
    return made


def test_a_level_goes_to_a_server_that_logs() -> None:
    wired, who = Wired(Init("logging")), client("debug")
    play(restoring.set_level(as_connection(wired), who, 3.0))
    assert wired.asked == [("logging/setLevel", {"level": "debug"}, 3.0, who)]


@pytest.mark.parametrize(
    ("init", "level"), [(Init("logging"), None), (Init("tools"), "debug"), (None, "debug")]
)
def test_no_level_goes_out_where_one_side_knows_none(init: Init | None, level: str | None) -> None:
    wired = Wired(init)
    play(restoring.set_level(as_connection(wired), client(level), 3.0))
    assert wired.asked == []


def test_a_new_connection_is_told_every_subscription_and_the_level() -> None:
    wired, who = Wired(Init("logging")), client("info")
    play(restoring.restore(as_connection(wired), who, ["a:1", "a:2"], 3.0))
    assert wired.asked == [
        ("resources/subscribe", {"uri": "a:1"}, 3.0, None),
        ("resources/subscribe", {"uri": "a:2"}, 3.0, None),
        ("logging/setLevel", {"level": "info"}, 3.0, who),
    ]


def test_a_subscription_that_is_refused_is_logged_and_the_others_are_kept(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(logging.getLogger("callmux"), "propagate", True)
    wired = Wired(None, **{"a:1": CallFailure(Category.PROTOCOL, "no such resource")})
    play(restoring.restore(as_connection(wired), None, ["a:1", "a:2"], 3.0))
    assert [told["uri"] for _, told, _, _ in wired.asked] == ["a:1", "a:2"]
    assert 'could not restore the subscription to "a:1" at "files": no such resource' in caplog.text


def test_an_error_of_ours_is_not_swallowed() -> None:
    wired = Wired(None, **{"a:1": ZeroDivisionError("bug")})
    with pytest.raises(ZeroDivisionError):
        play(restoring.restore(as_connection(wired), None, ["a:1"], 3.0))
