"""The conversation with a client, as transcripts: this arrives, that must happen."""

from __future__ import annotations

import itertools
import json
from typing import Any

import pytest
from msgspec import Raw

from callmux.protocol.client_peer import (
    TRANSITIONS,
    Action,
    ClientPeer,
    Confirmed,
    Event,
    Kind,
    Opened,
    ReplyReceived,
    StatelessReceived,
)
from callmux.protocol.jsonrpc import Batch, Failure, Malformed, Notification, Request, Response, parse
from callmux.protocol.peer import CancellationReceived, NotificationReceived, RequestReceived, State
from callmux.protocol.versions import Era
from tests.protocol.transcript import Transcript


def plain(event: Event | None) -> Any:
    """An event as plain values."""
    match event:
        case Opened(id, params):
            return "opened", id, params and json.loads(bytes(params))
        case Confirmed():
            return ("confirmed",)
        case RequestReceived(id, method, params):
            return "called", id, method, params and json.loads(bytes(params))
        case StatelessReceived(request):
            return "stateless", request.id, request.method
        case CancellationReceived(id):
            return "cancelled", id
        case NotificationReceived(method, params):
            return "told", method, params and json.loads(bytes(params))
        case ReplyReceived(id, Response(_, result)):
            return "answered", id, json.loads(bytes(result))
        case ReplyReceived(id, Failure(_, error)):
            return "refused", id, json.loads(bytes(error or b"null"))
    return None


class Talk(Transcript):
    """A conversation: `hears` feeds a message, the rest says what came of it."""

    def __init__(self, state: State = State.NEW) -> None:
        super().__init__(ClientPeer(), plain)
        if state in (State.OPENING, State.READY):
            self.hears(INITIALIZE)
            self.peer.answer(0, b"{}")
        if state is State.READY:
            self.hears(INITIALIZED)
        if state is State.CLOSED:
            self.peer.close()
        assert self.peer.state is state

    def sends(self, **message: Any) -> Talk:
        assert self.event is None
        return super().sends(**message)


INITIALIZE = {"id": 0, "method": "initialize", "params": {"protocolVersion": "2025-11-25"}}
INITIALIZED = {"method": "notifications/initialized"}
MODERN = {"_meta": {"io.modelcontextprotocol/protocolVersion": "2026-07-28"}}
LIVING = [State.NEW, State.OPENING, State.READY]
LINES = {
    Kind.INITIALIZE: {**INITIALIZE, "id": 9},
    Kind.INITIALIZED: INITIALIZED,
    Kind.PING: {"id": 9, "method": "ping"},
    Kind.DISCOVER: {"id": 9, "method": "server/discover"},
    Kind.REQUEST: {"id": 9, "method": "tools/list"},
    Kind.CANCELLED: {"method": "notifications/cancelled", "params": {"requestId": 8}},
    Kind.NOTIFICATION: {"method": "notifications/roots/list_changed"},
    Kind.REPLY: {"id": 1, "result": {}},
    Kind.MALFORMED: {"id": 9, "method": 5},
}
OUTCOMES: dict[Action, Any] = {
    Action.CONFIRM: ("confirmed",),
    Action.SERVE: ("called", 9, "tools/list", None),
    Action.CANCEL: ("cancelled", 8),
    Action.TELL: ("told", "notifications/roots/list_changed", None),
    Action.DELIVER: ("answered", 1, {}),
}
SENT = {
    Action.PONG: {"id": 9, "result": {}},
    Action.REFUSE: {"id": 9, "error": {"code": -32600, "message": "the message cannot be relayed"}},
}


def test_the_table_has_every_cell() -> None:
    assert TRANSITIONS.keys() == set(Era)
    for rows in TRANSITIONS.values():
        assert rows.keys() == set(itertools.product(State, Kind))


CELLS = [(era, *cell) for era, rows in TRANSITIONS.items() for cell in rows]
OF_AN_ERA = (Kind.INITIALIZE, Kind.PING, Kind.DISCOVER, Kind.REQUEST)
"""What can name its revision."""


@pytest.mark.parametrize(
    "cell", CELLS, ids=lambda cell: "-".join([cell[0].name, *(c.value for c in cell[1:])])
)
def test_every_cell_does_what_it_says(cell: tuple[Era, State, Kind]) -> None:
    """With request 8 in flight and our own request 1 asked, where that is possible."""
    era, state, kind = cell
    after, action = TRANSITIONS[era][state, kind]
    line: Any = LINES[kind]
    if era is Era.MODERN:
        if kind not in OF_AN_ERA:
            assert TRANSITIONS[Era.LEGACY][state, kind] == (after, action), "it can name no revision"
            return
        line = {**line, "params": {**line.get("params", {}), **MODERN}}
    talk = Talk(state)
    if state is not State.CLOSED:
        talk.hears({"id": 8, "method": "slow"}).tells("called", 8, "slow", None)
        talk.peer.ask("roots/list", None)
    talk.hears(line)
    assert talk.peer.state is after
    if action is Action.OPEN:
        talk.tells("opened", 9, line["params"])
    elif action is Action.STATELESS:
        talk.tells("stateless", 9, line["method"])
    elif action in OUTCOMES:
        talk.tells(*OUTCOMES[action])
    elif action in SENT:
        talk.sends(**SENT[action])
    else:
        assert action is Action.DROP
        talk.does_nothing()


@pytest.mark.parametrize(
    ("cell", "expected"),
    [
        ((State.NEW, Kind.INITIALIZE), (State.OPENING, Action.OPEN)),
        ((State.READY, Kind.INITIALIZE), (State.OPENING, Action.OPEN)),
        ((State.OPENING, Kind.INITIALIZED), (State.READY, Action.CONFIRM)),
        ((State.NEW, Kind.INITIALIZED), (State.NEW, Action.DROP)),
        ((State.NEW, Kind.REQUEST), (State.NEW, Action.SERVE)),
        ((State.CLOSED, Kind.REQUEST), (State.CLOSED, Action.DROP)),
    ],
)
def test_cells_that_matter_say_this(cell: tuple[State, Kind], expected: tuple[State, Action]) -> None:
    """Written out, so that the table is not only compared with itself."""
    assert TRANSITIONS[Era.LEGACY][cell] == expected


@pytest.mark.parametrize("state", LIVING)
@pytest.mark.parametrize("method", ["ping", "tools/list", "subscriptions/listen", "anything"])
def test_a_request_of_a_revision_without_a_handshake_is_handed_over(state: State, method: str) -> None:
    """Whatever the revision is called, and before and after a handshake. It is not in flight before the
    session has taken it."""
    for n, version in enumerate(["2026-07-28", "2025-11-25", None]):
        talk = Talk(state)
        meta = {"progressToken": n, "io.modelcontextprotocol/protocolVersion": version}
        talk.hears({"id": 9, "method": method, "params": {"_meta": meta}})
        talk.tells("stateless", 9, method)
        assert talk.peer.in_flight == {}


def test_a_tool_call_before_the_handshake_is_looked_at_whole() -> None:
    """After a handshake whoever reads its other params does so."""
    call = {"id": 9, "method": "tools/call", "params": {"name": "a", **MODERN}}
    Talk().hears(call).tells("stateless", 9, "tools/call")
    Talk(State.READY).hears(call).tells("called", 9, "tools/call", {"name": "a", **MODERN})


def test_a_handshake_stays_one_whatever_its_meta_says() -> None:
    Talk().hears({"id": 9, "method": "initialize", "params": MODERN}).tells("opened", 9, MODERN)


@pytest.mark.parametrize("params", [None, {}, {"_meta": None}, {"_meta": {}}, {"_meta": "x"}, [1]])
def test_other_requests_are_served(params: Any) -> None:
    given = {} if params is None else {"params": params}
    Talk().hears({"id": 9, "method": "m", **given}).tells("called", 9, "m", params)


def test_a_notification_named_like_the_probe_is_only_a_notification() -> None:
    Talk(State.READY).hears({"method": "server/discover"}).tells("told", "server/discover", None)


def test_a_request_is_answered_once() -> None:
    talk = (
        Talk(State.READY)
        .hears({"id": 7, "method": "m", "params": {"a": 1}})
        .tells("called", 7, "m", {"a": 1})
    )
    assert talk.peer.answer(7, b'{"ok":1}') == b'{"jsonrpc":"2.0","id":7,"result":{"ok":1}}\n'
    assert talk.peer.answer(7, b"{}") is None
    assert talk.peer.refuse(7, b"{}") is None


def test_a_refused_request_is_answered_once() -> None:
    talk = Talk(State.READY).hears({"id": "s", "method": "m"}).tells("called", "s", "m", None)
    assert talk.peer.refuse("s", b'{"code":1}') == b'{"jsonrpc":"2.0","id":"s","error":{"code":1}}\n'
    assert talk.peer.refuse("s", b"{}") is None


def test_a_cancelled_request_is_never_answered() -> None:
    talk = Talk(State.READY).hears({"id": 7, "method": "m"}).tells("called", 7, "m", None)
    cancel = {"method": "notifications/cancelled", "params": {"requestId": 7, "reason": "no time"}}
    talk.hears(cancel).tells("cancelled", 7)
    assert talk.peer.answer(7, b"{}") is None
    talk.hears(cancel).does_nothing()


@pytest.mark.parametrize("params", [None, {}, {"requestId": None}, {"requestId": "7"}, {"requestId": 8}, [7]])
def test_a_cancellation_of_nothing_changes_nothing(params: Any) -> None:
    """The text "7" is another id than the number 7."""
    talk = Talk(State.READY).hears({"id": 7, "method": "m"})
    talk.hears({"method": "notifications/cancelled", "params": params}).does_nothing()
    assert talk.peer.answer(7, b"{}") is not None


@pytest.mark.parametrize(
    "second", [{"method": "m"}, {"method": "ping"}, {"method": "initialize"}, {"method": 5}]
)
def test_two_requests_with_one_id_get_one_answer(second: dict[str, Any]) -> None:
    """The first one's."""
    talk = Talk(State.READY).hears({"id": 7, "method": "m"}).tells("called", 7, "m", None)
    talk.hears({"id": 7, **second}).does_nothing()
    assert talk.peer.answer(7, b"{}") is not None
    assert talk.peer.in_flight == {}


def test_an_id_may_be_used_again_once_it_is_answered() -> None:
    talk = Talk(State.READY).hears({"id": 7, "method": "m"})
    talk.peer.answer(7, b"{}")
    talk.hears({"id": 7, "method": "n"}).tells("called", 7, "n", None)


@pytest.mark.parametrize("method", ["notifications/initialized", "notifications/cancelled"])
def test_a_request_with_the_name_of_a_notification_is_a_request(method: str) -> None:
    """It waits for an answer, so it gets one."""
    Talk(State.OPENING).hears({"id": 7, "method": method}).tells("called", 7, method, None)


@pytest.mark.parametrize("method", ["initialize", "ping"])
def test_a_notification_with_the_name_of_a_request_is_a_notification(method: str) -> None:
    Talk(State.READY).hears({"method": method}).tells("told", method, None)


def test_a_client_that_skips_the_handshake_is_served() -> None:
    Talk().hears({"id": 1, "method": "tools/list"}).tells("called", 1, "tools/list", None)


def test_a_client_may_greet_again_on_the_same_link() -> None:
    """It restarted behind a wrapper that kept the pipe."""
    talk = Talk(State.READY).hears(INITIALIZE).tells("opened", 0, {"protocolVersion": "2025-11-25"})
    talk.peer.answer(0, b"{}")
    talk.hears(INITIALIZED).tells("confirmed")


def test_our_question_gets_its_answer_once() -> None:
    talk = Talk(State.READY)
    assert talk.peer.ask("roots/list", None) == (1, b'{"jsonrpc":"2.0","id":1,"method":"roots/list"}\n')
    assert talk.peer.ask("sampling/createMessage", b"{}")[0] == 2
    talk.hears({"id": 2, "error": {"code": -1}}).tells("refused", 2, {"code": -1})
    talk.hears({"id": 1, "result": {"roots": []}}).tells("answered", 1, {"roots": []})
    talk.hears({"id": 1, "result": {}}).does_nothing()


@pytest.mark.parametrize(
    "reply", [{"id": 5, "result": {}}, {"id": "1x", "result": {}}, {"id": None, "error": {}}, {"id": 5}]
)
def test_an_answer_to_nothing_is_dropped(reply: dict[str, Any]) -> None:
    talk = Talk(State.READY)
    talk.peer.ask("roots/list", None)
    talk.hears(reply).does_nothing()


@pytest.mark.parametrize("id", ["1", 1.0])
def test_our_number_may_come_back_as_text(id: Any) -> None:
    replies: list[dict[str, Any]] = [{"result": {}}, {"result": None}]
    for reply in replies:
        talk = Talk(State.READY)
        talk.peer.ask("roots/list", None)
        talk.hears({"id": id, **reply}).tells("answered", 1, {})
        talk.hears({"id": id, **reply}).does_nothing()
    talk = Talk(State.READY)
    talk.peer.ask("roots/list", None)
    talk.hears({"id": id, "error": {"code": -1}}).tells("refused", 1, {"code": -1})


def test_an_answer_nobody_waits_for_any_more_is_dropped() -> None:
    talk = Talk(State.READY)
    id, _ = talk.peer.ask("roots/list", None)
    talk.peer.forget(id)
    talk.hears({"id": id, "result": {}}).does_nothing()


@pytest.mark.parametrize(
    ("line", "message"),
    [
        (b'{"id":1}', "a message needs a method, a result or an error"),
        (b'{"id":1,"result":}', "the message is not valid JSON"),
    ],
)
def test_an_unreadable_answer_fails_our_question(line: bytes, message: str) -> None:
    """Even while a request of the client's has the same number."""
    talk = Talk(State.READY).hears({"id": 1, "method": "m"})
    talk.peer.ask("roots/list", None)
    talk.hears(line)
    assert talk.event[:2] == ("refused", 1)
    assert talk.event[2]["message"] == message
    talk.hears(line).does_nothing()
    assert talk.peer.answer(1, b"{}") is not None


def test_noise_is_answered_with_an_error_without_an_id() -> None:
    error = {"code": -32700, "message": "the message is not valid JSON"}
    Talk(State.READY).hears(b"hello").sends(id=None, error=error)


def test_after_the_end_nothing_is_answered() -> None:
    talk = Talk(State.READY).hears({"id": 7, "method": "m"})
    talk.peer.ask("roots/list", None)
    talk.peer.close()
    assert talk.peer.answer(7, b"{}") is None
    talk.hears({"id": 1, "result": {}}).does_nothing()
    talk.hears(b"hello").does_nothing()
    assert repr(talk.peer) == "ClientPeer(closed, 0 in flight, 0 asked)"


def test_a_malformed_record_is_taken_as_it_is() -> None:
    """A line that was too long for the buffer."""
    peer = ClientPeer()
    assert peer.receive(Malformed(4, False, -32600, "too long")) is None
    assert json.loads(peer.outbox[0])["id"] == 4


def test_params_are_handed_over_raw() -> None:
    message = parse(b'{"id":1,"method":"m","params":{"a":1.50}}')
    assert not isinstance(message, Batch)
    event = ClientPeer().receive(message)
    assert event == RequestReceived(1, "m", Raw(b'{"a":1.50}'))


def test_answers_and_cancellations_of_what_another_process_has_in_flight_are_told_apart() -> None:
    peer = ClientPeer()
    peer.receive(parse(b'{"id":1,"method":"x"}'))  # type: ignore[arg-type]
    peer.begin_ids_at(1000)
    asked, _ = peer.ask("roots/list", None)
    assert asked == 1001
    known = {
        b'{"id":1001,"result":{}}': True,
        b'{"id":1,"result":{}}': False,
        b'{"id":7,"error":{"code":1,"message":"no"}}': False,
        b'{"method":"notifications/cancelled","params":{"requestId":1}}': True,
        b'{"method":"notifications/cancelled","params":{"requestId":2}}': False,
        b'{"method":"notifications/cancelled"}': False,
        b'{"method":"notifications/x"}': True,
        b'{"id":9,"method":"x"}': True,
    }
    assert {line: peer.knows(parse(line)) for line in known} == known  # type: ignore[arg-type]


def test_the_short_way_of_a_tool_call_is_what_the_table_says() -> None:
    assert TRANSITIONS[Era.LEGACY][State.READY, Kind.REQUEST] == (State.READY, Action.SERVE)


def test_a_client_has_greeted_until_it_has_left() -> None:
    for state in State:
        peer = ClientPeer()
        peer.state = state
        assert peer.greeted is (state in (State.OPENING, State.READY))


def test_whoever_gives_a_request_up_gets_what_was_kept_of_it() -> None:
    peer = ClientPeer()
    peer.receive(Request(7, "m", None))
    assert peer.in_flight == {7: None}
    peer.in_flight[7] = kept = object()
    cancelled = peer.receive(Notification("notifications/cancelled", Raw(b'{"requestId":7}')))
    assert isinstance(cancelled, CancellationReceived)
    assert cancelled.who is kept
    assert peer.in_flight == {}


def test_the_id_of_our_next_question_is_known_before_it_is_asked() -> None:
    peer = ClientPeer()
    peer.begin_ids_at(41)
    expected = peer.next_id()
    asked, _ = peer.ask("roots/list", None)
    assert asked == expected == 42
