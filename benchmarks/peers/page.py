"""`docs/performance.md` and the README's paragraph: the templates, filled with what was recorded. Pure.

Called by `benchmarks/performance.py`.
"""

from __future__ import annotations

import hashlib
import json
import textwrap
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from statistics import median
from string import Template
from typing import Any, NamedTuple

from peers import budgets, rounds
from peers.growth import CURVES
from peers.products import BRIDGE, CALL, DIRECT, LISTENER, NPM, OURS, STDIO
from peers.reasons import REASONS

TEMPLATES = Path(__file__).with_name("templates")
MARK = "<!-- the figures of docs/performance.md, written by benchmarks/performance.py -->"
GUARDED = ", guarded"
QUIET = 3.0
"""With more load than this the page says that times are too long."""

Record = dict[str, Any]


class Column(NamedTuple):
    """One figure of a table.

    Attributes:
        figure: Its name in a sample.
        title: Its head.
        less: Less is better.
    """

    figure: str
    title: str
    less: bool = True


CALLS = (
    Column("p50_us", "p50, us"),
    Column("p99_us", "p99, us"),
    Column("per_s", "calls/s", less=False),
    Column("cpu_us", "processor, 16 in flight, us"),
    Column("cpu_lone_us", "processor, one at a time, us"),
    Column("pss_mb", "memory, MB (PSS)"),
    Column("rss_mb", "RSS, MB"),
    Column("processes", "processes"),
    Column("servers", "servers"),
    Column("start_ms", "start, ms"),
)
COMMANDS = (
    Column("whole_ms", "from start to end, ms"),
    Column("cpu_ms", "processor, ms"),
    Column("peak_mb", "peak memory, MB"),
)
COMPARED = frozenset(column.figure for column in (*CALLS, *COMMANDS)) - {"rss_mb", "processes", "servers"}
CURVE_FIGURES: dict[str, dict[str, str]] = {
    "tools": {
        "list_ms": "one `tools/list`, ms",
        "start_ms": "start, ms",
        "p50_us": "p50 of a call, us",
        "pss_mb": "memory, MB",
    },
    "servers": {
        "start_ms": "start, ms",
        "p50_us": "p50, us",
        "per_s": "calls/s, 16 in flight",
        "cpu_us": "processor time a call, us",
        "pss_mb": "memory, MB, without the servers",
        "servers": "servers that run behind, after that",
    },
    "flight": {"per_s": "calls/s", "cpu_us": "processor time a call, us"},
    "connections": {"per_s": "calls/s", "cpu_us": "processor time a call, us"},
    "sessions": {
        "per_s": "calls/s, 16 at a time",
        "cpu_us": "processor time a call, us",
        "kb_each": "memory a session, KB",
        "open_ms": "opening one, ms",
        "servers": "servers that run behind",
    },
    "size": {"ms": "a call, ms", "pss_mb": "memory after that, MB"},
}
NOT_DIRECT = ("cpu_us", "cpu_lone_us", "pss_mb", "rss_mb", "processes", "kb_each", "open_ms", "servers")
"""What is that of the product alone, so that the server itself has none of it."""


def columns(way: str) -> tuple[Column, ...]:
    return COMMANDS if way.startswith("call") else CALLS


def page(record: Record) -> str:
    """The whole of `docs/performance.md`."""
    about = record["about"]
    versions = about["versions"]
    found = rounds.loads(record)
    busy = median(found) > QUIET
    values = {
        **{key: about[key] for key in ("date", "cores", "processor", "memory", "system", "python")},
        "commit": versions[OURS].split()[-1],
        "node": versions["Node.js"],
        "rounds": about["rounds"],
        "growth_rounds": about["growth rounds"],
        "load_least": f"{found[0]:.1f}",
        "load_most": f"{found[-1]:.1f}",
        "load_middle": f"{median(found):.1f}",
        "noisy": (
            "**Other work ran at the same time: times are longer than on a quiet machine, for everyone.**"
            if busy
            else "Nothing else of note ran."
        ),
        "versions": _versions(versions),
        "driver": _driver(record),
        "minutes": f"{about['minutes']:.0f}",
        "effort": about["words"] or "everything",
        "note": f" {about['note']}" if "note" in about else "",
        "tables": "\n\n".join(_way(record, way) for way in record["table"]),
        "budgets": _table(
            ("way", "figure", "callmux / callmux (npm)", "floor", "aim", ""), budgets.table(record)
        ),
        "better": _better(record),
        "growth": "\n\n".join(_curve(record, name) for name in record["growth"]),
        "failures": _failures(record),
        "not_run": _not_run(record),
        "bare": len((Path(__file__).with_name("bare_http.py")).read_text("utf-8").splitlines()),
    }
    return Template((TEMPLATES / "page.md").read_text("utf-8")).substitute(values)


def claims(record: Record) -> str:
    """The README's paragraph, its mark included."""
    parts = []
    for way, said in (
        (STDIO, "on stdio"),
        (LISTENER, "at a listener"),
        (BRIDGE, "through bridge and listener"),
    ):
        ratios = [_ratio(record, way, NPM, figure) for figure in ("per_s", "cpu_us", "pss_mb", "start_ms")]
        if None not in ratios:
            rate, spent, held, start = ratios
            parts.append(
                f"{said} {rate:.1f}x the calls a second for {spent:.2f}x the processor time a call, "
                f"{held:.2f}x the memory, {start:.2f}x the start"
            )
    whole = _ratio(record, CALL, NPM, "whole_ms")
    if whole is not None:
        parts.append(f"`callmux call` takes {whole:.2f}x the time")
    text = (
        f"Beside callmux (npm), in turns in one run: {'; '.join(parts)}. With direct calls, FastMCP's proxy, "
        "mcp-proxy, supergateway, slop-mcp, ContextForge and mcporter beside it, how cost grows, and where "
        "another product is better: [docs/performance.md](docs/performance.md)."
    )
    return f"{MARK}\n{textwrap.fill(text, 130, break_on_hyphens=False, break_long_words=False)}\n"


def paragraph(readme: str) -> str | None:
    """The README's paragraph with the figures, its mark and the end of its last line included."""
    if MARK not in readme:
        return None
    return readme[readme.index(MARK) :].partition("\n\n")[0].rstrip("\n") + "\n"


def digest(record: Record) -> str:
    """What a plot carries to say which figures it shows."""
    return hashlib.sha256(json.dumps(record, sort_keys=True).encode()).hexdigest()[:16]


def number(value: float | None) -> str:
    """As many digits as are worth reading."""
    if value is None:
        return "-"
    if value >= 100 or value == int(value):
        return f"{value:,.0f}"
    return f"{value:.1f}" if value >= 10 else f"{value:.2f}"


def times(value: float | None) -> str:
    """A ratio, with two digits that say something."""
    if value is None:
        return "-"
    return f"{value:.2f}x" if value >= 0.1 else f"{value:.2g}x"


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [f"| {' | '.join(head)} |", f"| --- |{' ---: |' * (len(head) - 1)}"]
    return "\n".join(lines + [f"| {' | '.join(row)} |" for row in rows])


def _versions(versions: dict[str, str]) -> str:
    products = [f"{name} is {said}" for name, said in versions.items() if " " in said]
    parts = [f"{name} {said}" for name, said in versions.items() if " " not in said]
    return f"Products: {'; '.join(products)}. Beside them: {', '.join(parts)}."


def _driver(record: Record) -> str:
    shares = [rounds.middle(rows[OURS], "driver") for rows in record["table"].values() if OURS in rows]
    found = [share for share in shares if share is not None]
    return f"{min(found):.2f} to {max(found):.2f}" if found else "an unknown part"


def _cell(row: rounds.Row, figure: str) -> str:
    value, around = rounds.middle(row, figure), rounds.spread(row, figure)
    if value is None or around is None:
        return "-"
    if len(row["samples"]) == 1 or around[0] == around[1]:
        return number(value)
    return f"{number(value)} ({number(around[0])} to {number(around[1])})"


def _way(record: Record, way: str) -> str:
    rows = record["table"][way]
    titles = columns(way)
    body = []
    for name, row in rows.items():
        if not row["samples"]:
            body.append([name, "failed, see below", *["-"] * (len(titles) - 1)])
            continue
        bare = name == DIRECT
        cells = [
            "-" if bare and column.figure in NOT_DIRECT else _cell(row, column.figure) for column in titles
        ]
        body.append([f"**{name}**" if name == OURS else name, *cells])
    compared = [column for column in titles if column.figure in COMPARED]
    beside = []
    for name in rows:
        if name in (OURS, DIRECT) or not rows[name]["samples"]:
            continue
        ratios = [_ratio(record, way, name, column.figure) for column in compared]
        beside.append([f"callmux / {name}", *[times(r) for r in ratios]])
    text = f"### {way[0].upper()}{way[1:]}\n\n{_table(['', *[c.title for c in titles]], body)}"
    if beside and rows.get(OURS, rounds.empty())["samples"]:
        text += "\n\nThe ratios, round by round, in the middle:\n\n"
        text += _table(["", *[column.title for column in compared]], beside)
    return text + _added(record, way) + _among(record, way)


def _added(record: Record, way: str) -> str:
    """What guards cost each product, by the medians of the two tables."""
    bare = record["table"].get(way.removesuffix(GUARDED), {})
    if not way.endswith(GUARDED) or not bare:
        return ""
    body = []
    shown = [column for column in columns(way) if column.figure in COMPARED]
    for name, row in record["table"][way].items():
        cells = []
        for column in shown:
            without, with_ = (rounds.middle(r, column.figure) for r in (bare.get(name, rounds.empty()), row))
            cells.append(times(with_ / without if with_ and without else None))
        body.append([name, *cells])
    return "\n\nGuarded by unguarded:\n\n" + _table(["", *[column.title for column in shown]], body)


def _ratio(record: Record, way: str, other: str, figure: str) -> float | None:
    return budgets.ratio(record["table"].get(way, {}), other, figure)


def _among(record: Record, way: str) -> str:
    reasons = record["not_run"].get(way, {})
    if not reasons:
        return ""
    by_reason: dict[str, list[str]] = {}
    for name, reason in reasons.items():
        by_reason.setdefault(reason, []).append(name)
    return "\n\nNot among them: " + "; ".join(f"{', '.join(n)} ({r})" for r, n in by_reason.items()) + "."


def _better(record: Record) -> str:
    """Every figure in which a peer is at least 3 % better, with the reason if it is known."""
    lines = []
    for way, rows in record["table"].items():
        for name in rows:
            if name in (OURS, DIRECT):
                continue
            found = []
            for column in columns(way):
                ratio = _ratio(record, way, name, column.figure) if column.figure in COMPARED else None
                if ratio is not None and (ratio > 1.03 if column.less else ratio < 0.97):
                    said = _why(name, way, column.figure, rows)
                    found.append(
                        f"{column.title} (callmux takes {ratio:.2f}x): {said}"
                        if column.less
                        else f"{column.title} (callmux reaches {ratio:.2f}x): {said}"
                    )
            lines += [f"- **{name}, {way}**, {one}." for one in found]
    for name, by_point in record["growth"].items():
        lines += _better_curve(name, by_point)
    return (
        "\n".join(lines) or "In none of the figures of this run is another product better by more than 3 %."
    )


def _why(product: str, where: str, figure: str, rows: Mapping[str, rounds.Row] | None = None) -> str:
    """The reason, or that the rounds of both overlap, or that nobody looked."""
    if why := REASONS.get((product, where, figure)) or REASONS.get((product, "", figure)):
        return why
    ours, theirs = (rounds.spread((rows or {}).get(name, rounds.empty()), figure) for name in (OURS, product))
    if ours and theirs and ours[0] <= theirs[1] and theirs[0] <= ours[1]:
        return "the rounds of both overlap, so that this may be chance"
    return "the reason was not looked for"


def _better_curve(name: str, by_point: dict[str, dict[str, rounds.Row]]) -> list[str]:
    lines = []
    for figure, title in CURVE_FIGURES[name].items():
        if figure == "servers":
            continue
        for product in {product: None for rows in by_point.values() for product in rows}:
            if product in (OURS, DIRECT):
                continue
            at = []
            for point, rows in by_point.items():
                pair = [rounds.middle(rows.get(who, rounds.empty()), figure) for who in (OURS, product)]
                if pair[0] and pair[1]:
                    ratio = pair[0] / pair[1]
                    if ratio > 1.03 if figure != "per_s" else ratio < 0.97:
                        at.append(f"{int(point):,} (callmux {ratio:.2f}x)")
            if at:
                said = f"{title}, at {', '.join(at)}: {_why(product, name, figure)}"
                lines.append(f"- **{product}, {CURVES[name].title}**, {said}.")
    return lines


def _curve(record: Record, name: str) -> str:
    by_point = record["growth"][name]
    products = list(dict.fromkeys(product for rows in by_point.values() for product in rows))
    products.sort(key=lambda product: (product != DIRECT, product != OURS))
    parts = [f"### By {CURVES[name].title}"]
    for figure, title in CURVE_FIGURES[name].items():
        shown = [p for p in products if p != DIRECT or figure not in NOT_DIRECT]
        body = []
        for point, rows in by_point.items():
            cells = []
            for product in shown:
                row = rows.get(product, rounds.empty())
                value = rounds.middle(row, figure)
                failed = "failed" if row["failed"] and not row["samples"] else "-"
                cells.append(number(value) if value is not None else failed)
            body.append([f"{int(point):,}", *cells])
        parts.append(_table([title, *shown], body))
    return "\n\n".join(parts) + _among(record, name)


def _failures(record: Record) -> str:
    """Each failure once, with where and how often."""
    seen: dict[tuple[str, str, str], int] = {}
    places = [(way, way, rows) for way, rows in record["table"].items()]
    for name, by_point in record["growth"].items():
        places += [(name, f"{CURVES[name].title}: {int(p):,}", rows) for p, rows in by_point.items()]
    for _, where, rows in places:
        for name, row in rows.items():
            for said in row["failed"]:
                key = (name, where, " ".join(said.split()).replace("|", "/").replace("`", "'"))
                seen[key] = seen.get(key, 0) + 1
    lines = [f"- {n}, {where} ({times}x): {said}" for (n, where, said), times in seen.items()]
    return "\n".join(lines) or "Nothing."


def _not_run(record: Record) -> str:
    missing = record["not_run"].get("all", {})
    lines = [f"- {name}: {reason}" for name, reason in missing.items()]
    return "\n".join(lines) or (
        "Every product was run on every way that it has; the sentence under each table says who has it not."
    )
