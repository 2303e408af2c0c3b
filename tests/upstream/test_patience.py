"""A client that thinks costs its calls no time, and each of them has one slot to lend."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from callmux.upstream.exchanges import OwnExchange
from callmux.upstream.patience import LOOK_SECONDS, calls_of, due
from tests.support import FakeClient


def request(client: Any, deadline: float = 107) -> Any:
    return SimpleNamespace(deadline=deadline, seconds=7, client=client)


@pytest.mark.parametrize(
    ("now", "thought", "end"),
    [(105, 9, 107), (108, 0, 107), (120, 10, 117), (120, 20, 127), (120, 13.01, 120 + LOOK_SECONDS)],
)
def test_time_in_which_a_client_thinks_does_not_count(now: float, thought: float, end: float) -> None:
    client, asked = FakeClient(), list[float]()
    client.thinks = lambda since: asked.append(since) or thought  # type: ignore[func-returns-value]
    assert due(request(client), now) == pytest.approx(end)
    assert asked in ([], [100])


def test_what_nobody_has_caused_is_due_in_its_time() -> None:
    assert due(request(None), 200) == 107


def test_only_calls_of_the_request_itself_have_slots() -> None:
    client, other = FakeClient(), FakeClient()
    answer: Any = None
    own = OwnExchange(method="x", params=None, seconds=1, deadline=1, answer=answer, client=client)
    asked: list[Any] = [SimpleNamespace(exchange=request(client)), request(other)]
    waiting: list[Any] = [own, SimpleNamespace(exchange=own), request(other), *asked]
    assert calls_of(client, waiting, [request(client)]) == 2
