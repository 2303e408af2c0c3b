"""The conversation with a server, as transcripts: we send, this arrives, that must happen."""

from __future__ import annotations

import itertools
import json
from typing import Any

import pytest
from msgspec import UNSET, Raw

from callmux.protocol.jsonrpc import Notification, Request, parse
from callmux.protocol.peer import CancellationReceived, NotificationReceived, RequestReceived, State
from callmux.protocol.unanswered import Unanswered
from callmux.protocol.upstream_peer import (
    TRANSITIONS,
    Action,
    ErrorReceived,
    Event,
    Kind,
    NoiseReceived,
    ProgressReceived,
    ReplyReceived,
    UnreadableReplyReceived,
    UpstreamPeer,
)
from callmux.protocol.versions import Era
from tests.protocol.transcript import Transcript

HELLO = b'{"protocolVersion":"2025-11-25","capabilities":{"tools":{}},"serverInfo":{"name":"s"}}'


def plain(event: Event | None) -> Any:
    """An event as plain values."""
    match event:
        case ReplyReceived(id, result):
            return "answered", id, json.loads(bytes(result))
        case ErrorReceived(id, error):
            return "refused", id, json.loads(bytes(error))
        case UnreadableReplyReceived(id, message):
            return "broken", id, message
        case RequestReceived(id, method, params):
            return "asked", id, method, params and json.loads(bytes(params))
        case CancellationReceived(id):
            return "withdrawn", id
        case ProgressReceived(id, params):
            return "progressed", id, json.loads(bytes(params))
        case NotificationReceived(method, params):
            return "told", method, params and json.loads(bytes(params))
        case NoiseReceived(message):
            return "noise", message
    return None


class Talk(Transcript):
    """A conversation: `hears` feeds a message, the rest says what came of it."""

    def __init__(self, state: State = State.NEW) -> None:
        super().__init__(UpstreamPeer(), plain)
        if state is not State.NEW:
            self.peer.open(b'{"name":"callmux"}')
        if state is State.READY:
            self.hears({"id": 1, "result": json.loads(HELLO)})
            self.peer.opened(HELLO)
        if state is State.CLOSED:
            self.peer.close()
        assert self.peer.state is state


LINES = {
    Kind.PING: {"id": 9, "method": "ping"},
    Kind.REQUEST: {"id": 9, "method": "roots/list", "params": {"a": 1}},
    Kind.PROGRESS: {"method": "notifications/progress", "params": {"progressToken": 2, "progress": 1}},
    Kind.CANCELLED: {"method": "notifications/cancelled", "params": {"requestId": "q"}},
    Kind.NOTIFICATION: {"method": "notifications/message", "params": {"data": 1}},
    Kind.REPLY: {"id": 2, "result": {"ok": 1}},
    Kind.MALFORMED: b"listening on 3000",
}
OUTCOMES: dict[Action, Any] = {
    Action.ASK: ("asked", 9, "roots/list", {"a": 1}),
    Action.PROGRESS: ("progressed", 2, {"progressToken": 2, "progress": 1}),
    Action.WITHDRAW: ("withdrawn", "q"),
    Action.TELL: ("told", "notifications/message", {"data": 1}),
    Action.SETTLE: ("answered", 2, {"ok": 1}),
    Action.COUNT: ("noise", "the message is not valid JSON"),
}


def test_the_table_has_every_cell() -> None:
    for rows in TRANSITIONS.values():
        assert rows.keys() == set(itertools.product(State, Kind))


ROWS = TRANSITIONS[Era.LEGACY]


@pytest.mark.parametrize("cell", ROWS, ids=lambda cell: f"{cell[0].value}-{cell[1].value}")
def test_every_cell_does_what_it_says(cell: tuple[State, Kind]) -> None:
    """With our request 2 waiting and the server's question "q" open, where that is possible."""
    state, kind = cell
    talk = Talk(state)
    if state in (State.OPENING, State.READY):
        assert talk.peer.request("tools/call", b"{}")[0] == 2
        talk.hears({"id": "q", "method": "roots/list"}).tells("asked", "q", "roots/list", None)
    talk.hears(LINES[kind])
    action = ROWS[cell]
    assert talk.peer.state is state
    if action in OUTCOMES:
        talk.tells(*OUTCOMES[action])
    elif action is Action.PONG:
        assert talk.event is None
        talk.sends(id=9, result={})
    else:
        assert action is Action.DROP
        talk.does_nothing()


@pytest.mark.parametrize(
    ("cell", "action"),
    [
        ((State.NEW, Kind.REQUEST), Action.DROP),
        ((State.NEW, Kind.MALFORMED), Action.COUNT),
        ((State.OPENING, Kind.PING), Action.PONG),
        ((State.OPENING, Kind.REPLY), Action.SETTLE),
        ((State.READY, Kind.REQUEST), Action.ASK),
        ((State.CLOSED, Kind.REPLY), Action.DROP),
    ],
)
def test_cells_that_matter_say_this(cell: tuple[State, Kind], action: Action) -> None:
    """Written out, so that the table is not only compared with itself."""
    assert ROWS[cell] is action


def test_the_handshake() -> None:
    peer = UpstreamPeer()
    id, line = peer.open(b'{"name":"callmux"}', b'{"roots":{}}')
    assert json.loads(line) == {
        "jsonrpc": "2.0",
        "id": id,
        "method": "initialize",
        "params": {
            "protocolVersion": "2025-11-25",
            "capabilities": {"roots": {}},
            "clientInfo": {"name": "callmux"},
        },
    }
    assert peer.state is State.OPENING
    read, line = peer.opened(HELLO)
    assert json.loads(line) == {"jsonrpc": "2.0", "method": "notifications/initialized"}
    assert (peer.state, peer.protocol_version) == (State.READY, "2025-11-25")
    assert isinstance(read.server_info, Raw)
    assert (list(read.capabilities), bytes(read.server_info)) == (["tools"], b'{"name":"s"}')


@pytest.mark.parametrize(
    ("result", "reason"),
    [
        (
            b'{"protocolVersion":"1999-01-01"}',
            "it uses the MCP revision '1999-01-01', which callmux does not support",
        ),
        (b"{}", "the answer to initialize cannot be read: "),
        (b"[]", "the answer to initialize cannot be read: "),
        (b'{"protocolVersion":5}', "the answer to initialize cannot be read: "),
        (b'{"protocolVersion":"2025-11-25","capabilities":[]}', "the answer to initialize cannot be read: "),
    ],
)
def test_a_bad_answer_to_our_greeting_is_refused(result: bytes, reason: str) -> None:
    peer = UpstreamPeer()
    peer.open(b"{}")
    with pytest.raises(ValueError) as caught:
        peer.opened(result)
    assert str(caught.value).startswith(reason)
    assert peer.state is State.OPENING


def test_ids_are_ours_and_rise() -> None:
    """The next one is known before, because it stands in the params as the progress token."""
    peer = Talk(State.READY).peer
    assert peer.next_id() == 2
    assert peer.request("a", None) == (2, b'{"jsonrpc":"2.0","id":2,"method":"a"}\n')
    assert peer.next_id() == 3
    assert peer.request("b", b"{}")[0] == 3
    assert len(peer.waiting) == 2


def test_an_answer_settles_its_request_once() -> None:
    talk = Talk(State.READY)
    talk.peer.request("a", None)
    talk.hears({"id": 2, "result": 7}).tells("answered", 2, 7)
    talk.hears({"id": 2, "result": 8}).does_nothing()
    talk.hears({"id": 2, "error": {}}).does_nothing()


def test_a_refusal_settles_its_request_once() -> None:
    talk = Talk(State.READY)
    talk.peer.request("a", None)
    talk.hears({"id": 2, "error": {"code": -1}}).tells("refused", 2, {"code": -1})
    talk.hears({"id": 2, "result": 8}).does_nothing()


@pytest.mark.parametrize("id", ["2", 2.0])
def test_our_number_may_come_back_as_text(id: Any) -> None:
    """As the official TypeScript client reads it."""
    talk = Talk(State.READY)
    talk.peer.request("a", None)
    progress = {"progressToken": id, "progress": 1}
    talk.hears({"method": "notifications/progress", "params": progress}).tells("progressed", 2, progress)
    talk.hears({"id": id, "result": {}}).tells("answered", 2, {})
    talk.hears({"id": id, "result": {}}).does_nothing()
    talk.peer.request("a", None)
    talk.hears({"id": "3", "error": {"code": -1}}).tells("refused", 3, {"code": -1})


@pytest.mark.parametrize(
    "reply", [{"id": 3, "result": {}}, {"id": "2x", "result": {}}, {"id": None, "error": {}}, {"error": {}}]
)
def test_an_answer_to_nothing_is_dropped(reply: dict[str, Any]) -> None:
    talk = Talk(State.READY)
    talk.peer.request("a", None)
    talk.hears(reply).does_nothing()
    assert len(talk.peer.waiting) == 1


@pytest.mark.parametrize(
    ("line", "message"),
    [
        (b'{"jsonrpc":"2.0","id":2}', "a message needs a method, a result or an error"),
        (b'{"jsonrpc":"2.0","id":2,"result":{,}}', "the message is not valid JSON"),
        (
            b'{"id":2,"result":' + b"[" * 9999 + b"]" * 9999 + b"}",
            "the message is nested deeper than 128 levels",
        ),
    ],
)
def test_an_unreadable_answer_fails_its_call(line: bytes, message: str) -> None:
    """Nobody waits in vain: some servers leave an undefined result out."""
    talk = Talk(State.READY)
    talk.peer.request("a", None)
    talk.hears(line).tells("broken", 2, message)
    talk.hears({"id": 2, "result": 1}).does_nothing()
    talk.hears(line).tells("noise", message)


def test_a_cancelled_request_drops_its_late_answer() -> None:
    talk = Talk(State.READY)
    talk.peer.request("a", None)
    line = talk.peer.cancel(2, "timed out")
    assert line is not None
    assert json.loads(line) == {
        "jsonrpc": "2.0",
        "method": "notifications/cancelled",
        "params": {"requestId": 2, "reason": "timed out"},
    }
    assert talk.peer.cancel(2, "again") is None
    talk.hears({"id": 2, "result": {}}).does_nothing()


@pytest.mark.parametrize("answer", [{"result": {}}, {"error": {"code": 1, "message": "m"}}])
def test_a_late_answer_shows_that_nothing_goes_on_any_more(answer: dict[str, Any]) -> None:
    unanswered, told = Unanswered(), list[int]()
    peer = UpstreamPeer(unanswered)
    peer.open(b"{}")
    peer.opened(HELLO)
    peer.request("a", None)
    peer.cancel(2, "timed out")
    unanswered.once_answered(lambda: told.append(1))
    peer.receive(parse(json.dumps({"id": 3} | answer).encode()))  # type: ignore[arg-type]
    assert told == []
    peer.receive(parse(json.dumps({"id": 2} | answer).encode()))  # type: ignore[arg-type]
    assert told == [1]
    peer.request("a", None)
    peer.cancel(3, "timed out")
    peer.close()
    assert repr(unanswered) == "Unanswered(0, 0 asking)"


def test_the_greeting_is_never_cancelled_on_the_wire() -> None:
    talk = Talk(State.OPENING)
    assert talk.peer.cancel(1, "timed out") is None
    assert len(talk.peer.waiting) == 0
    talk.hears({"id": 1, "result": {}}).does_nothing()


def test_a_question_is_answered_once() -> None:
    talk = Talk(State.READY).hears({"id": 1, "method": "roots/list"}).tells("asked", 1, "roots/list", None)
    assert talk.peer.answer(1, b"{}") == b'{"jsonrpc":"2.0","id":1,"result":{}}\n'
    assert talk.peer.answer(1, b"{}") is None
    assert talk.peer.refuse(1, b"{}") is None
    talk.hears({"id": "q", "method": "m"}).tells("asked", "q", "m", None)
    assert talk.peer.refuse("q", b'{"code":1}') == b'{"jsonrpc":"2.0","id":"q","error":{"code":1}}\n'


@pytest.mark.parametrize("second", [{"method": "m"}, {"method": "ping"}])
def test_two_questions_with_one_id_get_one_answer(second: dict[str, Any]) -> None:
    talk = Talk(State.READY).hears({"id": 7, "method": "m"}).tells("asked", 7, "m", None)
    talk.hears({"id": 7, **second}).does_nothing()
    assert talk.peer.answer(7, b"{}") is not None


def test_an_unreadable_question_is_refused() -> None:
    error = {"code": -32600, "message": "the message cannot be relayed"}
    talk = Talk(State.READY).hears({"id": 7, "method": 5})
    assert talk.event == ("noise", error["message"])
    talk.sends(id=7, error=error)
    talk.hears({"id": 8, "method": "m"}).tells("asked", 8, "m", None)
    talk.hears({"id": 8, "method": 5}).tells("noise", error["message"])


def test_a_withdrawn_question_gets_no_answer() -> None:
    talk = Talk(State.READY).hears({"id": "q", "method": "m"})
    talk.hears({"method": "notifications/cancelled", "params": {"requestId": "q"}}).tells("withdrawn", "q")
    assert talk.peer.answer("q", b"{}") is None


@pytest.mark.parametrize("params", [None, {}, {"requestId": "x"}, {"requestId": 2}, {"requestId": []}, [1]])
def test_withdrawing_nothing_changes_nothing(params: Any) -> None:
    talk = Talk(State.READY).hears({"id": "q", "method": "m"})
    talk.hears({"method": "notifications/cancelled", "params": params}).does_nothing()
    assert talk.peer.questions == {"q"}


@pytest.mark.parametrize(
    "params", [None, {}, {"progressToken": 3}, {"progressToken": "x"}, {"progressToken": None}, [2]]
)
def test_progress_of_nothing_is_dropped(params: Any) -> None:
    talk = Talk(State.READY)
    talk.peer.request("a", None)
    message = {"method": "notifications/progress", **({} if params is None else {"params": params})}
    talk.hears(message).does_nothing()


def test_progress_after_the_answer_is_dropped() -> None:
    talk = Talk(State.READY)
    talk.peer.request("a", None)
    talk.hears({"id": 2, "result": {}})
    talk.hears(LINES[Kind.PROGRESS]).does_nothing()


@pytest.mark.parametrize("method", ["notifications/progress", "notifications/cancelled"])
def test_a_request_with_the_name_of_a_notification_is_a_question(method: str) -> None:
    Talk(State.READY).hears({"id": 7, "method": method}).tells("asked", 7, method, None)


def test_a_ping_without_an_id_is_a_notification() -> None:
    Talk(State.READY).hears({"method": "ping"}).tells("told", "ping", None)


def test_the_end_names_what_will_never_be_answered() -> None:
    talk = Talk(State.READY)
    talk.peer.request("a", None, "one")
    talk.peer.request("b", None, "two")
    talk.hears({"id": 2, "method": "m"})
    assert talk.peer.close() == ["one", "two"]
    assert talk.peer.close() == []
    assert talk.peer.answer(2, b"{}") is None
    talk.hears({"id": 2, "result": {}}).does_nothing()
    assert repr(talk.peer) == "UpstreamPeer(closed, 0 waiting)"


def test_the_id_of_our_next_request_is_known_before_it_is_sent() -> None:
    peer = UpstreamPeer()
    expected = peer.next_id()
    assert peer.request("a", None)[0] == expected


def test_what_a_server_declares_as_null_is_not_declared() -> None:
    told, _ = UpstreamPeer().opened(
        b'{"protocolVersion":"2025-11-25","capabilities":{"tools":{},"prompts":null},"serverInfo":null}'
    )
    assert list(told.capabilities) == ["tools"]
    assert told.server_info is UNSET


def test_whoever_waits_for_an_answer_is_given_once() -> None:
    peer, who = UpstreamPeer(), object()
    id, _ = peer.request("a", None, who)
    assert peer.take(id) is who
    assert peer.take(id) is None
    assert peer.take("x") is None


def test_without_a_handshake_there_are_no_questions_of_the_server() -> None:
    peer, unanswered = UpstreamPeer(), Unanswered()
    id, line = peer.probe(b"{}", "who")
    assert b'"method":"server/discover"' in line
    assert peer.take(id) == "who"
    peer.discovered("2026-07-28")
    assert peer.protocol_version == "2026-07-28"
    assert peer.receive(Request(1, "roots/list", None)) is None
    assert peer.receive(Request(2, "ping", None)) is None
    assert peer.outbox == []
    cancelled = peer.receive(Notification("notifications/cancelled", Raw(b'{"requestId":3}')))
    assert cancelled == NotificationReceived("notifications/cancelled", Raw(b'{"requestId":3}'))
    peer = UpstreamPeer(unanswered)
    peer.discovered("2026-07-28")
    for doubtful, left in ((False, 0), (True, 1)):
        id, _ = peer.request("a", None)
        assert peer.cancel(id, None, doubtful=doubtful) is not None
        assert repr(unanswered).startswith(f"Unanswered({left}")
