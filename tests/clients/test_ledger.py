"""Which entries are remembered as ours."""

from __future__ import annotations

import pytest

from callmux.clients.ledger import knows, noted

RAW = {"type": "http", "url": "https://mux.example/mcp"}


def test_an_entry_is_ours_while_it_is_as_we_left_it() -> None:
    ledger = noted("", "/f", "callmux", RAW)
    assert knows(ledger, "/f", "callmux", dict(reversed(RAW.items())))
    assert not knows(ledger, "/f", "callmux", {**RAW, "url": "https://other/mcp"})
    assert not knows(ledger, "/g", "callmux", RAW)
    assert "mux.example" not in ledger


def test_what_is_taken_out_is_forgotten() -> None:
    ledger = noted(noted("", "/f", "a", RAW), "/f", "b", RAW)
    ledger = noted(ledger, "/f", "a", None)
    assert not knows(ledger, "/f", "a", RAW)
    assert knows(ledger, "/f", "b", RAW)


@pytest.mark.parametrize("broken", ["", "{", "[]", '{"files": 5}', '{"files": {"/f": 5}}'])
def test_a_ledger_that_cannot_be_read_knows_nothing(broken: str) -> None:
    assert not knows(broken, "/f", "callmux", RAW)
    assert knows(noted(broken, "/f", "callmux", RAW), "/f", "callmux", RAW)


def test_what_clients_leave_out_when_they_write_makes_no_difference() -> None:
    ledger = noted("", "/f", "callmux", {"command": "callmux", "args": []})
    assert knows(ledger, "/f", "callmux", {"command": "callmux", "env": {}})
    assert not knows(ledger, "/f", "callmux", {"command": "callmux", "args": ["x"]})


def test_an_entry_that_is_no_object_is_known_by_its_text() -> None:
    ledger = noted("", "/f", "callmux", "callmux --config x")
    assert knows(ledger, "/f", "callmux", "callmux --config x")
    assert not knows(ledger, "/f", "callmux", "callmux --config y")
