"""What travels with a request."""

from __future__ import annotations

import pytest
from msgspec import Raw

from callmux.context import CallContext, ClientPort, Directory, Scope, fingerprint
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


def test_a_scope_shows_the_names_of_its_headers_and_no_value() -> None:
    scope = Scope(cwd="/a", headers=(("authorization", "Bearer x"),))
    assert repr(scope) == "Scope('/a', headers ['authorization'])"
    assert repr(Scope(cwd="/a")) == "Scope('/a')"


def test_equal_headers_have_one_name_and_none_has_none() -> None:
    one = Scope(headers=(("a", "1"), ("b", "2")))
    assert one.credentials == fingerprint({"b": "2", "a": "1"})
    assert one.credentials != Scope(headers=(("a", "1"), ("b", "3"))).credentials
    assert Scope().credentials == ""


@pytest.mark.parametrize("token", [Raw(b'"own"'), None])
def test_progress_is_passed_on_under_the_clients_own_token(token: Raw | None) -> None:
    client = FakeClient()
    given = CallContext(client=client, progress_token=token)
    given.progressed(Raw(b'{"progressToken":7,"progress":1.50}'))
    ((method, params),) = client.notes
    assert method == "notifications/progress"
    assert params == {"progressToken": "own" if token else 7, "progress": 1.5}


async def test_a_directory_may_have_to_be_waited_for() -> None:
    found = Directory("/a")

    async def later() -> Directory:
        return found

    client = FakeClient()
    assert await CallContext(client=client).directory() is None
    assert await CallContext(client=client, find_cwd=lambda: found).directory() is found
    assert await CallContext(client=client, find_cwd=later).directory() is found


def test_whose_credentials_a_scope_has_is_told_apart_and_none_of_them_is_shown() -> None:
    scopes = [
        Scope(),
        Scope(owner="bearer:ann"),
        Scope(owner="bearer:bob"),
        Scope(headers=(("x-key", "hush"),)),
    ]
    scopes.append(Scope(headers=(("x-key", "hush"),), owner="bearer:ann"))
    assert len({scope.credentials for scope in scopes}) == len(scopes)
    assert Scope().credentials == ""
    assert "of 'bearer:ann'" in repr(scopes[4])
    assert "hush" not in repr(scopes[4])
