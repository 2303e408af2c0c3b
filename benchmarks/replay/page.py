"""`docs/context.md` and the README's paragraph: the templates, filled with the figures.

Called by `benchmarks/context.py`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from string import Template

from replay.catalogues import ALL, FORMATS, OWN, PLAIN, Size
from replay.figures import Figures
from replay.fitted import Fit
from replay.measuring import ASIDE, DIRECT, SHELL, TOGETHER, WITH, WITHOUT
from replay.others import report
from replay.tasks import SMALL, TASKS

TEMPLATES = Path(__file__).with_name("templates")
MARK = "<!-- the figures of docs/context.md, written by benchmarks/context.py -->"
OURS, META, NPM, NPM_META = "callmux", "callmux, meta-only", "callmux (npm)", "callmux (npm), meta-only"
WHOLE, NPM_WHOLE = "callmux, unshielded", "callmux (npm), unshielded"
WHOLE_PLAIN = "callmux, unshielded, plain"
AGGRESSIVE, META_AGGRESSIVE = "callmux, aggressive", "callmux, meta-only, aggressive"
LEAN, LEAN_SEVERAL, LEAN_IN_ORDER = "lean", "lean, several a turn", "lean, several in order"
READ = (DIRECT, TOGETHER, LEAN, LEAN_SEVERAL, OURS, WHOLE, META, NPM, NPM_META)


def claims(figures: Figures) -> str:
    """The README's paragraph, its mark included."""
    return _filled("claims.md", _values(figures) | _other_values(figures))


def page(figures: Figures) -> str:
    """The whole of `docs/context.md`."""
    tables = {
        "turns_table": _turns(figures),
        "read_table": _read(figures),
        "lean_table": _lean(figures),
        "new_table": _new(figures),
        "personas_table": _personas(figures),
        "shell_table": _shell(figures),
        "formats_table": _formats(figures),
        "catalogues_table": _catalogues(figures),
        "tasks": "\n".join(f"- **{task.TITLE}.** {task.ABOUT}" for task in TASKS.values()),
        "others": _others(figures),
    }
    return _filled("page.md", _values(figures) | tables)


def _others(figures: Figures) -> str:
    """The section of the four other tasks, and of a real model."""
    return _filled("others.md", _other_values(figures)).rstrip("\n")


def _other_values(figures: Figures) -> dict[str, str]:
    """What the other tasks cost, and the six beside a client that asks at once for calls in order, too."""
    lean = {name: ways[LEAN] for name, ways in figures.tasks.items()}
    return report.values(report.load(), report.load_ordered(), lean)


def _filled(template: str, values: Mapping[str, object]) -> str:
    text = (TEMPLATES / template).read_text("utf-8")
    return Template(text).substitute({name: _cell(value) for name, value in values.items()})


def _values(figures: Figures) -> dict[str, object]:
    """Every single figure that a template names."""
    small, every, own = figures.tasks[SMALL], figures.catalogues[ALL], figures.catalogues[OWN]
    direct, ours = sum_of(figures, DIRECT, "read"), sum_of(figures, OURS, "read")
    received = {way: sum_of(figures, way, "received") for way in (DIRECT, WHOLE, NPM_WHOLE, WHOLE_PLAIN)}
    return {
        "mark": MARK,
        "servers": ", ".join(figures.about.values()),
        "tools": small[DIRECT].tools,
        "calls": sum_of(figures, DIRECT, "calls"),
        "turns": sum_of(figures, OURS, "turns"),
        "direct_read": direct,
        "ours_read": ours,
        "times": f"{direct / ours:.1f}",
        "whole_read": sum_of(figures, WHOLE, "read"),
        "whole_turns": sum_of(figures, WHOLE, "turns"),
        "meta_read": sum_of(figures, META, "read"),
        "lean_read": sum_of(figures, LEAN, "read"),
        "lean_turns": sum_of(figures, LEAN, "turns"),
        "lean_times": _times(figures, LEAN),
        "lean_several_read": sum_of(figures, LEAN_SEVERAL, "read"),
        "lean_several_turns": sum_of(figures, LEAN_SEVERAL, "turns"),
        "lean_several_times": _times(figures, LEAN_SEVERAL),
        "lean_in_order_read": sum_of(figures, LEAN_IN_ORDER, "read"),
        "lean_definitions": small[LEAN].definitions,
        "lean_catalogue": own["lean"].tokens,
        "lean_small": small[LEAN].read,
        "lean_small_times": _part(small[LEAN].read, small[TOGETHER].read),
        "small_together": small[TOGETHER].read,
        "lean_received": sum_of(figures, LEAN, "received"),
        "ours_times": _times(figures, OURS),
        "whole_times": _times(figures, WHOLE),
        "definitions": small[DIRECT].definitions,
        "together_turns": sum_of(figures, TOGETHER, "turns"),
        "together_read": sum_of(figures, TOGETHER, "read"),
        "direct_received": received[DIRECT],
        "whole_received": received[WHOLE],
        "npm_received": received[NPM_WHOLE],
        "received_change": _change(received[DIRECT], received[WHOLE]),
        "plain_received": received[WHOLE_PLAIN],
        "plain_change": _change(received[DIRECT], received[WHOLE_PLAIN]),
        "few": small[OURS].definitions - small[DIRECT].definitions,
        "small_direct": small[DIRECT].new,
        "small_ours": small[OURS].new,
        "small_meta": small[META].new,
        "lean_share": _calls(figures, LEAN),
        "ours_share": _calls(figures, OURS),
        "npm_share": _calls(figures, NPM),
        "npm_whole_share": _calls(figures, NPM_WHOLE),
        "best_share": _best(figures),
        "shell_read": sum_of(figures, SHELL, "read"),
        "shell_times": _times(figures, SHELL),
        "skill_tokens": small[SHELL].definitions,
        "codex_read": _fitted(figures, "codex", WITH, "read"),
        "codex_without": _fitted(figures, "codex", WITHOUT, "read"),
        "codex_turns": _fitted(figures, "codex", WITH, "turns"),
        "codex_turns_without": _fitted(figures, "codex", WITHOUT, "turns"),
        "plain_tokens": every[PLAIN].tokens,
        "own_tokens": own["balanced"].tokens,
        "catalogue_tools": every[PLAIN].tools,
        "catalogue_change": _change(every[PLAIN].tokens, own["balanced"].tokens),
    }


def sum_of(figures: Figures, way: str, what: str) -> int:
    """A figure over all tasks but the small one."""
    return sum(getattr(figures.tasks[name][way], what) for name in TASKS if name != SMALL)


def _table(head: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    lines = [f"| {' | '.join(head)} |", f"| --- |{' ---: |' * (len(head) - 1)}"]
    lines += [f"| {' | '.join(_cell(cell) for cell in row)} |" for row in rows]
    return "\n".join(lines)


def _cell(value: object) -> str:
    return f"{value:,}" if isinstance(value, int) else str(value)


def _change(before: int, after: int) -> str:
    return f"{round(100 * (after - before) / before):+d} %"


def _by_task(figures: Figures, ways: Sequence[str], what: str) -> list[Sequence[object]]:
    """A row a task, and their sum before the small one."""
    rows: list[Sequence[object]] = [
        (task.TITLE, *(getattr(figures.tasks[name][way], what) for way in ways))
        for name, task in TASKS.items()
    ]
    rows.insert(-1, ("**the six together**", *(sum_of(figures, way, what) for way in ways)))
    return rows


def _turns(figures: Figures) -> str:
    return _table(("turns", *READ), _by_task(figures, READ, "turns"))


def _read(figures: Figures) -> str:
    rows = _by_task(figures, READ, "read")
    whole = sum_of(figures, DIRECT, "read")
    beside = ("beside one by one", "", *(_change(whole, sum_of(figures, way, "read")) for way in READ[1:]))
    rows.insert(-1, beside)
    rows.insert(-1, ("beside several a turn", "", "", *(_times(figures, way) for way in READ[2:])))
    return _table(("tokens read over all turns", *READ), rows)


def _lean(figures: Figures) -> str:
    """The preset beside the client that asks for several calls a turn, task by task."""
    head = ("tokens read", TOGETHER, LEAN, "times", LEAN_SEVERAL, "times")
    rows: list[Sequence[object]] = []
    for name, task in TASKS.items():
        costs = figures.tasks[name]
        base = costs[TOGETHER].read
        shown = [(costs[way].read, _part(costs[way].read, base)) for way in (LEAN, LEAN_SEVERAL)]
        rows.append((task.TITLE, base, *shown[0], *shown[1]))
    for label, what in (("**the six together**", "read"), ("the six, by o200k_base", "other_read")):
        base = sum_of(figures, TOGETHER, what)
        both = [(sum_of(figures, way, what)) for way in (LEAN, LEAN_SEVERAL)]
        rows.insert(
            len(TASKS) - 1 if what == "read" else len(TASKS),
            (label, base, both[0], _part(both[0], base), both[1], _part(both[1], base)),
        )
    return _table(head, rows)


def _times(figures: Figures, way: str) -> str:
    return _part(sum_of(figures, way, "read"), sum_of(figures, TOGETHER, "read"))


def _part(value: int, base: int) -> str:
    return f"{value / base:.2f}x"


def _calls(figures: Figures, way: str) -> str:
    """How many calls a way makes of those one by one."""
    made, whole = sum_of(figures, way, "calls"), sum_of(figures, DIRECT, "calls")
    return f"{made} calls, {whole / made:.1f}:1, {100 * made / whole:.0f} %"


def _best(figures: Figures) -> str:
    """The task in which `lean` needs the smallest part of the calls."""

    def part(name: str) -> float:
        return figures.tasks[name][DIRECT].calls / figures.tasks[name][LEAN].calls

    name = max(TASKS, key=part)
    return f"{TASKS[name].TITLE}, {part(name):.0f}:1"


def _fits(figures: Figures, persona: str, mode: str) -> list[Fit]:
    """What each of the six tasks costs a kind of client."""
    return [fit for name, fit in figures.personas[persona][mode].items() if name != SMALL]


def _fitted(figures: Figures, persona: str, mode: str, what: str) -> int:
    return sum(getattr(fit, what) for fit in _fits(figures, persona, mode))


def _personas(figures: Figures) -> str:
    """Each kind of client, with its persona and without."""
    rows = []
    for name, modes in figures.personas.items():
        for mode in (mode for mode in (WITH, WITHOUT, ASIDE) if mode in modes):
            seen = f"{_fitted(figures, name, mode, 'visible')} of {len(TASKS) - 1}"
            small = modes[mode][SMALL]
            read, turns = (_fitted(figures, name, mode, what) for what in ("read", "turns"))
            beside = _part(read, sum_of(figures, TOGETHER, "read"))
            rows.append((f"`{name}`, {mode}", small.definitions, turns, read, beside, seen, small.read))
    head = ("simulated", "definitions", "turns", "tokens read", "beside several a turn, no callmux")
    return _table((*head, "all needed is visible", "a question of two calls"), rows)


def _shell(figures: Figures) -> str:
    """An agent with a shell and SKILL.md, beside MCP."""
    ways = (TOGETHER, OURS, WHOLE, LEAN, SHELL)
    rows = _by_task(figures, ways, "read")
    rows.insert(-1, ("of the six: turns", *(sum_of(figures, way, "turns") for way in ways)))
    rows.insert(-1, ("of the six: calls as written", *(sum_of(figures, way, "written") for way in ways)))
    rows.insert(-1, ("of the six: results", *(sum_of(figures, way, "received") for way in ways)))
    rows.append(("of each, definitions", *(figures.tasks[SMALL][way].definitions for way in ways)))
    return _table(("tokens read", *ways), rows)


def _new(figures: Figures) -> str:
    ways = (DIRECT, LEAN, OURS, AGGRESSIVE, META, META_AGGRESSIVE, NPM, NPM_META)
    rows = _by_task(figures, ways, "new")
    rows.append(("of each, definitions", *(figures.tasks[SMALL][way].definitions for way in ways)))
    return _table(("new tokens", *ways), rows)


def _formats(figures: Figures) -> str:
    ways = {name: META if name == "json" else f"{META}, {name}" for name in FORMATS}
    rows = _by_task(figures, list(ways.values()), "received")
    rows += [(label, *(by[name] for name in ways)) for label, by in figures.formats.items()]
    return _table(("tokens of results", *ways), rows)


def _catalogues(figures: Figures) -> str:
    ways = ("balanced", "balanced, npm", "aggressive", "aggressive, npm")
    servers = [key for key in figures.catalogues if key not in (ALL, OWN)]
    rows: list[Sequence[object]] = [
        (key, by[PLAIN].tools, *_sizes(by, (PLAIN, *ways)))
        for key, by in ((key, figures.catalogues[key]) for key in [*servers, ALL])
    ]
    own = figures.catalogues[OWN]
    rows.append(("callmux's own", own["balanced"].tools, "", *_sizes(own, ways)))
    return _table(("bytes / tokens", "tools", PLAIN, *ways), rows)


def _sizes(by: Mapping[str, Size], ways: Iterable[str]) -> list[str]:
    return [f"{by[way].size:,} / {by[way].tokens:,}" for way in ways]
