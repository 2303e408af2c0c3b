"""How the person at a client can be asked."""

from __future__ import annotations

from typing import Any

import pytest

from callmux.rings.asking import Reach
from callmux.session.facts import Said
from callmux.session.reach import contact_of
from callmux.session.request import Request
from callmux.session.session import Session
from tests.support import FakeClient


def session(capabilities: bytes = b'{"elicitation":{}}') -> Session:
    handler: Any = None
    made = Session(handler, lambda line: None)
    made.capabilities = capabilities
    made.facts.client_name = "some client"
    return made


@pytest.mark.parametrize(
    ("capabilities", "shows"),
    [
        (b'{"elicitation":{}}', True),
        (b'{"elicitation":{"form":{}}}', True),
        (b'{"elicitation":{"form":{},"url":{}}}', True),
        (b'{"elicitation":{"url":{}}}', False),
        (b'{"elicitation":null}', False),
        (b'{"elicitation":true}', False),
        (b'{"elicitation":[]}', False),
        (b"{}", False),
        (b"[]", False),
    ],
)
def test_a_client_shows_forms_if_it_says_so(capabilities: bytes, shows: bool) -> None:
    reach = Reach.FORM if shows else Reach.TERMINAL
    assert contact_of(session(capabilities)).reach is reach


def test_a_request_whose_answer_is_no_stream_brings_no_question() -> None:
    deaf = Request(session(), 1, said=Said(streams=False))
    assert contact_of(deaf).reach is Reach.TERMINAL
    assert contact_of(Request(session(), 1, said=Said(streams=True))).reach is Reach.FORM
    assert contact_of(deaf).client == "some client"


def test_nobody_looks_at_a_command_unless_it_shows_forms() -> None:
    """A command on a terminal says that it does."""
    by_kind, by_name = session(b"{}"), session(b"{}")
    by_kind.facts.client_kind = "cli"
    by_name.facts.client_name = "callmux-cli"
    assert {contact_of(by_kind).reach, contact_of(by_name).reach} == {Reach.NOBODY}
    by_kind.capabilities = b'{"elicitation":{}}'
    assert contact_of(by_kind).reach is Reach.FORM


def test_a_bridge_hears_when_a_person_is_asked_and_when_that_is_over() -> None:
    told: list[bytes] = []
    handler: Any = None
    made = Session(handler, told.append)
    request = Request(made, 1)
    assert contact_of(request).waiting is None
    made.facts.waits = True
    waiting = contact_of(request).waiting
    assert waiting is not None
    made.peer.in_flight[1] = None
    waiting(2.5)
    assert told == [b'{"jsonrpc":"2.0","method":"notifications/callmux/waiting","params":{"seconds":2.5}}\n']
    made.peer.in_flight.clear()
    waiting(0)
    assert len(told) == 1


def test_a_client_of_which_nothing_is_known_has_a_terminal() -> None:
    assert contact_of(FakeClient()).reach is Reach.TERMINAL
