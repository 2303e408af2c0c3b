"""Whatever the other side says, nobody gets an answer that is not theirs, and nobody gets two."""

from __future__ import annotations

import json
from collections import Counter
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from callmux.protocol import client_peer, upstream_peer
from callmux.protocol.client_peer import ClientPeer
from callmux.protocol.jsonrpc import Batch, Malformed, Request, Single, own_id, parse
from callmux.protocol.peer import CancellationReceived, RequestReceived, State
from callmux.protocol.upstream_peer import UpstreamPeer
from tests.fuzz.lines import CORPUS, bounded, lines

SCRIPT = st.lists(
    st.one_of(
        lines,
        st.tuples(st.sampled_from(["answer", "refuse", "ask", "give up", "close"]), st.integers(0, 5)),
    ),
    max_size=30,
)


def singles(line: bytes) -> list[Single]:
    message = parse(line)
    messages = message.messages if isinstance(message, Batch) else [message]
    return [each for each in messages if not isinstance(each, Batch)]


def answered_ids(sent: list[bytes]) -> list[Any]:
    """Ids of the answers among the lines we sent; type and all."""
    read = [json.loads(line) for line in sent]
    return [repr(m["id"]) for m in read if "method" not in m and m["id"] is not None]


def play_client(script: list[Any]) -> None:
    peer = ClientPeer()
    asked: set[int] = set()
    may_answer: Counter[str] = Counter()
    sent: list[bytes] = []
    for step in script:
        if isinstance(step, bytes):
            for message in singles(step):
                if isinstance(message, Request | Malformed) and message.id is not None:
                    may_answer[repr(message.id)] += 1
                before = set(peer.in_flight)
                event = peer.receive(message)
                if isinstance(event, RequestReceived | client_peer.Opened):
                    assert event.id not in before
                    assert event.id in peer.in_flight
                if isinstance(event, CancellationReceived):
                    assert event.id in before
                    assert event.id not in peer.in_flight
                if isinstance(event, client_peer.ReplyReceived):
                    asked.remove(event.id)
                for line in peer.outbox:
                    # What is answered at once is never a request that is in flight.
                    assert not {repr(id) for id in before} & set(answered_ids([line]))
                sent += peer.outbox
                peer.outbox.clear()
        elif step[0] in ("answer", "refuse") and peer.in_flight:
            id = sorted(peer.in_flight, key=repr)[step[1] % len(peer.in_flight)]
            answer = peer.answer if step[0] == "answer" else peer.refuse
            own = answer(id, b"{}")
            assert own is not None
            assert answer(id, b"{}") is None
            sent.append(own)
        elif step[0] == "ask":
            asked.add(peer.ask("roots/list", None)[0])
        elif step[0] == "give up":
            peer.forget(step[1])
            asked.discard(step[1])
        elif step[0] == "close":
            peer.close()
            asked.clear()
    for id, times in Counter(answered_ids(sent)).items():
        assert times <= may_answer[id]


def play_upstream(script: list[Any]) -> None:
    peer = UpstreamPeer()
    peer.open(b"{}")
    waiting = {1}
    sent: list[bytes] = []
    may_answer: Counter[str] = Counter()
    for step in script:
        if isinstance(step, bytes):
            for message in singles(step):
                if isinstance(message, Request | Malformed) and message.id is not None:
                    may_answer[repr(message.id)] += 1
                before = set(peer.questions)
                event = peer.receive(message)
                match event:
                    case (
                        upstream_peer.ReplyReceived(id)
                        | upstream_peer.ErrorReceived(id)
                        | upstream_peer.UnreadableReplyReceived(id)
                    ):
                        # Ours are numbers, which may come back as text.
                        assert own_id(getattr(message, "id", None)) == id
                        waiting.remove(id)
                    case RequestReceived(id):
                        assert id not in before
                    case upstream_peer.ProgressReceived(id):
                        assert id in waiting
                for line in peer.outbox:
                    assert not {repr(id) for id in before} & set(answered_ids([line]))
                sent += peer.outbox
                peer.outbox.clear()
        elif step[0] in ("answer", "refuse") and peer.questions:
            id = sorted(peer.questions, key=repr)[step[1] % len(peer.questions)]
            own = (peer.answer if step[0] == "answer" else peer.refuse)(id, b"{}")
            assert own is not None
            sent.append(own)
        elif step[0] == "ask" and peer.state is not State.CLOSED:
            waiting.add(peer.request("tools/call", b"{}")[0])
        elif step[0] == "give up":
            own = peer.cancel(step[1], "x")
            assert own is None or step[1] in waiting
            waiting.discard(step[1])
        elif step[0] == "close":
            assert len(peer.close()) == len(waiting)
            waiting.clear()
        assert peer.waiting.keys() == waiting
    for id, times in Counter(answered_ids(sent)).items():
        assert times <= may_answer[id]


@bounded
@given(SCRIPT)
def test_a_client_may_say_anything(script: list[Any]) -> None:
    play_client(script)


@bounded
@given(SCRIPT)
def test_a_server_may_say_anything(script: list[Any]) -> None:
    play_upstream(script)


def test_the_corpus_is_survived_in_a_row() -> None:
    """Twice, with answers in between."""
    steps: list[Any] = [step for line in CORPUS * 2 for step in (line, ("ask", 0), ("answer", 1))]
    play_client(steps)
    play_upstream(steps)
