"""The estimate of tokens is near what a tokenizer counts, and orders the forms of one answer as that does."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest
import toons

from callmux.tokens import estimate

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT / "benchmarks"))

from replay.counting import tokens  # noqa: E402

PAGES = ["docs/design.md", "src/callmux/rings/plain.py", "benchmarks/replay/traces/servers.json"]


@pytest.mark.parametrize("name", PAGES)
def test_prose_code_and_json_are_counted_to_a_fifth(name: str) -> None:
    text = (ROOT / name).read_text("utf-8")[:6000]
    assert abs(estimate(text) / tokens(text) - 1) < 0.2


def test_of_two_forms_the_cheaper_one_is_told() -> None:
    """Where the difference is one that matters."""
    rows = {"rows": [{"id": n, "name": f"row {n}", "state": "open"} for n in range(40)]}
    prose = (ROOT / "docs" / "caching.md").read_text("utf-8")
    pairs = [
        (json.dumps(rows, separators=(",", ":")), toons.dumps(rows)),
        (json.dumps({"result": prose}), prose),
        (json.dumps(rows, indent=2), json.dumps(rows, separators=(",", ":"))),
    ]
    for dear, cheap in pairs:
        assert tokens(cheap) < tokens(dear)
        assert estimate(cheap) < estimate(dear)


def test_any_text_has_an_estimate() -> None:
    assert estimate("") == 0
    assert estimate("\ud83d") >= 0
    assert 0 < estimate("日本語のテキスト" * 10) < 400
