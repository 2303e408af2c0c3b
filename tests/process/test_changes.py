"""Each session is told of changes of the lists it was given, by what it may see of them."""

from __future__ import annotations

from typing import Any

from callmux.errors import AuthorizationDenied
from callmux.process.changes import tell_changes
from callmux.router.listing import View
from callmux.session.dispatch import REFUSED
from callmux.session.facts import Facts

TOLD = "notifications/tools/list_changed"


class FakeSession:
    def __init__(self, rights: Any, ready: bool = True, **seen: bytes) -> None:
        self.rights = rights
        self.is_ready = ready
        self.seen = dict(seen)
        self.capabilities = self.kind = b"{}"
        self.facts = Facts()
        self.told: list[str] = []

    def notify(self, method: str, params: Any) -> None:
        self.told.append(method)


class FakeRuntime:
    """Lists `now` to those who may see it; nothing at all to whoever has the rights `none`."""

    def __init__(self) -> None:
        self.lists = self.offers = self
        self.asked = 0

    def view(self, capabilities: bytes, client_name: str | None, rights: Any) -> View:
        return View(rights=rights)

    def current_listing(self, view: View) -> bytes:
        return self.current("tools", view.rights)

    def current(self, kind: str, rights: Any) -> bytes:
        self.asked += 1
        if rights == "none":
            raise AuthorizationDenied("no")
        return f"now {kind}".encode()

    def rights_of(self, session: FakeSession) -> Any:
        return session.rights


def told(*sessions: FakeSession) -> FakeRuntime:
    runtime: Any = FakeRuntime()
    given: Any = sessions
    tell_changes(runtime, runtime, given)
    return runtime  # type: ignore[no-any-return]


def test_who_has_an_old_list_is_told_once() -> None:
    old, same = FakeSession("all", tools=b"before"), FakeSession("all", tools=b"now tools")
    late, none = FakeSession("all", ready=False, tools=b"before"), FakeSession("all")
    runtime = told(old, same, late, none)
    assert [session.told for session in (old, same, late, none)] == [[TOLD], [], [], []]
    assert old.seen == {"tools": b"now tools"}
    assert runtime.asked == 1
    told(old)
    assert old.told == [TOLD]


def test_two_kinds_of_resources_are_one_notification() -> None:
    session = FakeSession("all", resources=b"x", resourceTemplates=b"y", prompts=b"z")
    told(session)
    assert session.told == ["notifications/prompts/list_changed", "notifications/resources/list_changed"]


def test_who_may_see_nothing_any_more_is_told_and_once_more_when_that_changes() -> None:
    session = FakeSession("none", tools=b"before")
    told(session)
    assert session.seen == {"tools": REFUSED}
    told(session)
    session.rights = "all"
    told(session)
    assert session.told == [TOLD, TOLD]
