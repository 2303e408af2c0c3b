"""What a listener says of others is an issue where something is wrong with that."""

from __future__ import annotations

from typing import Any

import pytest

from callmux.doctor.company import company_problems


def test_problems_with_others_are_told() -> None:
    listener = {"state": {"connected": True, "problem": "a"}, "cluster": {"nodes": [], "problem": "b"}}
    assert list(company_problems({"listener": listener})) == [
        "what it shares with other listeners (state): a",
        "what it shares with other listeners (cluster): b",
    ]


@pytest.mark.parametrize(
    "payload", [None, "text", {}, {"listener": []}, {"listener": {"state": [], "cluster": {"problem": 5}}}]
)
def test_what_is_fine_or_odd_is_none(payload: Any) -> None:
    assert list(company_problems(payload)) == []
