"""Browsers that have signed in: for how long, how many, and by what."""

from __future__ import annotations

import pytest

from callmux.guard import browsers as module
from callmux.guard.browsers import Browsers, ShownCredential, cookie_name, is_same
from callmux.guard.grant import Grant, Standing
from callmux.guard.principal import Principal

OPERATOR = Principal(kind="operator", id="me")
HOST = "localhost:4860"


def found(id: str = "ops", at: float = 0.0, seconds: float = 1e9) -> ShownCredential:
    principal = Principal(kind="bearer", id=id)
    return ShownCredential(
        Grant(principal=principal, standing=Standing(), remembered_seconds=seconds), principal, at
    )


def cookie(value: str, host: str = HOST) -> str:
    return f"{cookie_name(host)}={value}"


def test_a_browser_is_found_by_its_cookie_and_by_no_other() -> None:
    browsers = Browsers()
    value, visitor = browsers.enter(0.0, 0.0, client=found())
    assert browsers.find(cookie(value), HOST, 1.0, 1.0) is visitor
    assert browsers.find(f"a=b; {cookie(value)}; c=d", HOST, 1.0, 1.0) is visitor
    for wrong in ("", cookie(value[:-1]), cookie("x" * 43), f"other={value}", cookie(value, "localhost:1")):
        assert browsers.find(wrong, HOST, 1.0, 1.0) is None
    assert visitor.principal is not None
    assert visitor.principal.label == "bearer:ops"
    assert repr(browsers) == "Browsers(1 signed in, 0 codes)"
    assert value not in repr(vars(browsers))


def test_cookies_that_a_neighbour_added_do_not_hide_the_right_one_within_a_bound() -> None:
    browsers = Browsers()
    value, visitor = browsers.enter(0.0, 0.0, client=found())
    few = "; ".join(cookie(f"{n:020}") for n in range(module.MOST_SHOWN - 1))
    many = "; ".join(cookie(f"{n:020}") for n in range(module.MOST_SHOWN))
    assert browsers.find(f"{few}; {cookie(value)}", HOST, 0.0, 0.0) is visitor
    assert browsers.find(f"{many}; {cookie(value)}", HOST, 0.0, 0.0) is None


@pytest.mark.parametrize(
    ("host", "name"),
    [("localhost:4860", "callmux-browser-4860"), ("x", "callmux-browser"), ("x:123456", "callmux-browser")],
)
def test_each_port_has_a_cookie_of_its_own(host: str, name: str) -> None:
    assert cookie_name(host) == name


def test_signing_in_again_gives_another_cookie_and_adds_to_what_was_shown() -> None:
    browsers = Browsers()
    value, first = browsers.enter(0.0, 0.0, client=found())
    again, second = browsers.enter(1.0, 1.0, before=first, manager=found("boss"))
    assert value != again
    assert first.csrf != second.csrf
    assert browsers.find(cookie(value), HOST, 1.0, 1.0) is None
    assert second.client is first.client
    assert second.manager is not None
    assert browsers.stays(second, 1.0, 1.0)
    assert not browsers.stays(first, 1.0, 1.0)
    browsers.leave(second)
    assert browsers.find(cookie(again), HOST, 1.0, 1.0) is None


def test_a_browser_is_signed_out_by_time() -> None:
    browsers = Browsers()
    value, visitor = browsers.enter(0.0, 0.0, client=found())
    assert browsers.find(cookie(value), HOST, module.IDLE_SECONDS, 0.0) is visitor
    assert browsers.find(cookie(value), HOST, 2 * module.IDLE_SECONDS + 1, 0.0) is None
    value, visitor = browsers.enter(0.0, 0.0, client=found())
    at = 0.0
    while at + module.IDLE_SECONDS <= module.LONGEST_SECONDS:
        at += module.IDLE_SECONDS
        assert browsers.find(cookie(value), HOST, at, 0.0) is visitor
    assert browsers.find(cookie(value), HOST, module.LONGEST_SECONDS + 1, 0.0) is None


def test_what_it_showed_ends_with_that() -> None:
    """A token that is taken away, or a key that was not looked at again, counts no more."""
    browsers = Browsers()
    client, manager = found(), found("boss")
    value, visitor = browsers.enter(0.0, 0.0, client=client, manager=manager)
    client.grant.standing.valid = False
    assert browsers.find(cookie(value), HOST, 1.0, 1.0) is visitor
    assert visitor.principal is not None
    assert visitor.principal.id == "boss"
    manager.grant.standing.valid = False
    assert browsers.find(cookie(value), HOST, 1.0, 1.0) is None
    short = found(seconds=60.0)
    value, _ = browsers.enter(0.0, 0.0, client=short)
    assert browsers.find(cookie(value), HOST, 60.0, 0.0) is not None
    assert browsers.find(cookie(value), HOST, 61.0, 0.0) is None


def test_a_code_is_good_once_and_soon() -> None:
    browsers = Browsers()
    code = browsers.new_code(OPERATOR, 0.0, person=True)
    taken = browsers.take_code(code, 1.0)
    assert taken is not None
    assert browsers.take_code(code, 1.0) is None
    assert browsers.take_code("made-up", 1.0) is None
    _, visitor = browsers.enter(0.0, 0.0, code=taken)
    assert (visitor.principal, visitor.person) == (OPERATOR, True)
    _, added = browsers.enter(0.0, 0.0, before=visitor, client=found())
    assert (added.operator, added.person) == (OPERATOR, True)
    late = browsers.new_code(OPERATOR, 0.0, person=False)
    assert browsers.take_code(late, module.CODE_SECONDS) is None
    assert late not in repr(vars(browsers))


def test_codes_that_nobody_takes_are_few() -> None:
    browsers = Browsers()
    codes = [browsers.new_code(OPERATOR, 0.0, person=False) for _ in range(module.MOST_CODES + 1)]
    assert browsers.take_code(codes[0], 0.0) is None
    assert browsers.take_code(codes[1], 0.0) is not None
    browsers.new_code(OPERATOR, module.CODE_SECONDS, person=False)
    assert repr(browsers) == "Browsers(0 signed in, 1 codes)"


def test_one_principal_signs_nobody_else_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MOST_OF_ONE", 2)
    monkeypatch.setattr(module, "MOST", 4)
    browsers = Browsers()
    other, _ = browsers.enter(0.0, 0.0, client=found("other"))
    own = [browsers.enter(float(n), 0.0, client=found())[0] for n in range(1, 4)]
    alive = [browsers.find(cookie(value), HOST, 5.0, 0.0) is not None for value in (other, *own)]
    assert alive == [True, False, True, True]
    for n in range(6, 8):
        browsers.enter(float(n), 0.0, client=found(f"p{n}"))
    assert repr(browsers) == "Browsers(4 signed in, 0 codes)"
    browsers.enter(module.LONGEST_SECONDS * 2, 0.0, client=found("late", module.LONGEST_SECONDS * 2))
    assert repr(browsers) == "Browsers(1 signed in, 0 codes)"


def test_texts_are_compared_whole() -> None:
    assert is_same("a", "a")
    assert not is_same("a", "b")
    assert not is_same("ä", "a")
