"""An address that signs one browser in."""

from __future__ import annotations

import pytest

from callmux.config.model import Config
from callmux.config.observing import Dashboard
from callmux.guard.guard import Guard
from callmux.serving.invitation import address_of, invited
from tests.support import FakeClock

BASE = "http://127.0.0.1:4860"


@pytest.mark.parametrize(
    ("host", "address"),
    [
        ("127.0.0.1", BASE),
        ("0.0.0.0", BASE),
        ("::", "http://[::1]:4860"),
        ("::1", "http://[::1]:4860"),
        ("tools.local", "http://tools.local:4860"),
    ],
)
def test_where_a_browser_of_this_machine_finds_a_listener(host: str, address: str) -> None:
    assert address_of("http", host, 4860) == address


@pytest.mark.parametrize(("env", "who"), [({"USER": "me"}, "me"), ({"LOGNAME": "you"}, "you"), ({}, "user")])
@pytest.mark.parametrize("path", ["/dashboard", "/ops/", "/"])
def test_the_code_stands_for_the_user_of_this_machine(env: dict[str, str], who: str, path: str) -> None:
    clock = FakeClock().clock
    guard, config = Guard(clock), Config(dashboard=Dashboard(enabled=True, path=path))
    guard.gate(config)
    found = invited(guard, config, BASE, env, clock, person=True)
    assert (found["url"], found["path"]) == (BASE, path.rstrip("/"))
    assert guard.visitors is not None
    code = guard.visitors.browsers.take_code(found["code"], clock.monotonic())
    assert code is not None
    assert (code.operator.label, code.person) == (f"operator:{who}", True)


def test_without_a_dashboard_there_is_no_code() -> None:
    clock = FakeClock().clock
    assert invited(Guard(clock), Config(), BASE, {}, clock, person=True) == {"listening": True, "url": BASE}
