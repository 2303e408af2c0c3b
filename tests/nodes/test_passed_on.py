"""What is known of a request that another node is to answer."""

from __future__ import annotations

import pytest

from callmux.nodes.passed_on import PassedOn
from callmux.protocol.sse import event

FIRST = b'{"jsonrpc":"2.0","id":1,"method":"ping"}'
SECOND = b'{"jsonrpc":"2.0","id":2,"method":"ping"}'


def test_a_request_is_open_until_its_answer_has_gone_out() -> None:
    passed_on = PassedOn(b"[%b,\n%b]" % (FIRST, SECOND))
    assert passed_on.is_batch
    assert [request.id for request in passed_on.open()] == [1, 2]
    passed_on.answered.heard(event(b'{"jsonrpc":"2.0","id":1,"result":{}}'))
    assert [request.id for request in passed_on.open()] == [2]


@pytest.mark.parametrize("body", [b"", b"{", b'{"jsonrpc":"2.0","method":"notifications/x"}'])
def test_what_asks_for_nothing_has_nothing_open(body: bytes) -> None:
    passed_on = PassedOn(body)
    assert passed_on.open() == []
    assert not passed_on.is_batch
    assert passed_on.body == body


def test_a_request_is_begun_once_more_and_no_oftener() -> None:
    passed_on = PassedOn(FIRST)
    assert [passed_on.is_last() for _ in range(3)] == [False, True, True]


def test_nothing_is_in_doubt_before_it_was_begun() -> None:
    passed_on = PassedOn(FIRST, 7.5)
    assert (passed_on.began, passed_on.is_in_doubt) == (7.5, False)
