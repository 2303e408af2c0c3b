"""What travels with a request."""

from __future__ import annotations

import pytest
from msgspec import Raw

from callmux.context import CallContext, ClientPort
from callmux.session.request import Request
from callmux.session.session import Session
from tests.support import FakeClient

MEMBERS = sorted(name for name in vars(ClientPort) if not name.startswith("_"))


def ports() -> list[object]:
    session = Session(lambda *_: None, lambda _: None)  # type: ignore[arg-type]
    return [session, Request(session, 1), FakeClient()]


def test_every_port_has_what_the_protocol_asks_for() -> None:
    for port in ports():
        assert [name for name in MEMBERS if not hasattr(port, name)] == []


def test_a_request_and_its_session_name_the_same_client() -> None:
    session, request, _ = ports()
    assert request is not session
    assert request.session is session.session  # type: ignore[attr-defined]


def test_a_context_is_the_only_users_and_local_unless_it_says_otherwise() -> None:
    given = CallContext(client=FakeClient())
    assert (given.remote, given.elsewhere, given.owner, given.headers) == (False, False, "", {})
    assert (given.progress_token, given.find_cwd, given.principal) == (None, None, None)


def test_a_context_cannot_be_changed_on_its_way() -> None:
    given = CallContext(client=FakeClient())
    with pytest.raises(AttributeError):
        given.remote = True  # type: ignore[misc]
    given.mark(token := Raw(b"7"))
    assert given.progress_token is token
