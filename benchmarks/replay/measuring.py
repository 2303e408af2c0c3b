"""Does a task every way and gives what each cost. Called by `benchmarks/context.py`.

The tools in the direct ways are those of all recorded servers, as an agent has them that is connected to each
of them; callmux is a real process in front of one `replay.server` a recorded server. Every way must find or
make the same, and every call it makes must be one of the recording.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType
from typing import Any

from callmux.router.personas import NONE, Persona
from replay.counting import Cost, cost
from replay.fitted import Fit, Fitted
from replay.process import Process, text_of
from replay.recording import SERVERS, Call, Recording, canonical, file_of, listings
from replay.shell import Shell, Skilled
from replay.ways import Callmux, Direct, InOrder, Lean, MetaOnly, Way

SERVER = Path(__file__).with_name("server.py")


@dataclass(frozen=True, slots=True)
class Variant:
    """A way through callmux.

    Attributes:
        keys: What its configuration says beside the servers.
        other: It is the other product.
        several: The client asks for several calls of meta-tools in one turn.
        in_order: These are made one after the other.
    """

    keys: Mapping[str, Any] = field(default_factory=dict)
    other: bool = False
    several: bool = False
    in_order: bool = False


META = {"metaOnly": True}
AGGRESSIVE = {"schemaCompression": {"mode": "aggressive"}}
WHOLE = {"responseShield": {"enabled": False}}
LEAN = {"preset": "lean"}
VARIANTS = {
    "lean": Variant(LEAN),
    "lean, several a turn": Variant(LEAN, several=True),
    "lean, several in order": Variant(LEAN, several=True, in_order=True),
    "callmux": Variant(),
    "callmux, aggressive": Variant(AGGRESSIVE),
    "callmux, meta-only": Variant(META),
    "callmux, meta-only, aggressive": Variant(META | AGGRESSIVE),
    "callmux, meta-only, auto": Variant(META | {"outputFormat": "auto"}),
    "callmux, meta-only, toon": Variant(META | {"outputFormat": "toon"}),
    "callmux, meta-only, plain": Variant(META | {"outputFormat": "plain"}),
    "callmux, meta-only, shortest": Variant(META | {"outputFormat": "shortest"}),
    "callmux, unshielded, plain": Variant(WHOLE | {"outputFormat": "plain"}),
    "callmux, unshielded": Variant(WHOLE),
    "callmux (npm), unshielded": Variant(WHOLE, other=True),
    "callmux (npm)": Variant(other=True),
    "callmux (npm), meta-only": Variant(META, other=True),
}
DIRECT = "one by one"
TOGETHER = "several a turn"
"""A client that lets its model ask for several calls at once."""
SHELL = "shell, SKILL.md"
"""An agent that calls from a shell, beside a listener without a preset."""
WITH, WITHOUT, ASIDE = "persona", "no persona", "put aside"
"""With a persona, without one, and without that and without the mark that keeps meta-tools from being put
aside."""
ORDERED = "several a turn, in order"
"""The same where its model asks at once for calls that must be made in order, too; it keeps that order."""


def measure(
    name: str,
    task: ModuleType,
    products: Mapping[bool, Sequence[str]],
    folder: Path,
    only: Sequence[str] = tuple(VARIANTS),
    servers: Path = SERVERS,
) -> dict[str, Cost]:
    """What a task costs, by way.

    Args:
        name: The task's name.
        task: Its module.
        products: The command of callmux, and under True that of the other one, where there is one.
        folder: For configurations.
        only: The variants that are wanted.
        servers: What the recorded servers list.
    """
    recording = Recording.load(name)
    plain = [tool for server in listings(servers).values() for tool in server["tools"]]
    answered = _answers(recording)
    direct = Direct(answered(), plain)
    wanted = task.perform(direct)
    together = Direct(answered(), plain, together=True)
    task.perform(together)
    found = {DIRECT: cost(plain, direct.turns), TOGETHER: cost(plain, together.turns)}
    if servers != SERVERS:
        found[ORDERED] = ordered(name, task, servers)
    for label in only:
        variant = VARIANTS[label]
        if variant.other not in products:
            continue
        config = folder / "config.json"
        config.write_text(json.dumps(_configuration(name, task, variant, servers)), "utf-8")
        with Process([*products[variant.other], "--config", str(config)], folder) as process:
            way = _way(process, task, variant, servers)
            _same(name, label, task.perform(way), wanted)
            found[label] = cost(way.tools, way.turns, way.instructions)
    return found


def measure_shell(name: str, task: ModuleType, folder: Path) -> Cost:
    """What a task costs an agent that has a shell and SKILL.md."""
    config = folder / "config.json"
    config.write_text(json.dumps(_configuration(name, task, Variant(), SERVERS)), "utf-8")
    with Shell(config, folder) as shell:
        way = Skilled(shell, _names(), task.QUERIES)
        _same(name, SHELL, task.perform(way), _wanted(name, task))
        return cost(way.tools, way.turns, way.instructions)


def measure_persona(
    name: str, task: ModuleType, persona: Persona, command: Sequence[str], folder: Path
) -> dict[str, Fit]:
    """What a task costs a client of this kind in front of the preset `lean`, its cuts simulated: with its
    persona, without, and, where it puts tools aside, without the mark against that."""
    modes: dict[str, dict[str, Any]] = {WITH: {"persona": persona.name}, WITHOUT: {"persona": NONE}}
    if persona.defers:
        modes[ASIDE] = {"persona": NONE, "alwaysLoadMetaTools": False}
    wanted = _wanted(name, task)
    needed = {str(call["tool"]) for call in Recording.load(name).calls}
    client = next(iter(persona.clients), "agent")
    config = folder / "config.json"
    found = {}
    for mode, keys in modes.items():
        config.write_text(json.dumps(_configuration(name, task, Variant(LEAN | keys), SERVERS)), "utf-8")
        with Process([*command, "--config", str(config)], folder, client=client) as process:
            way = Fitted(process, _names(), task.QUERIES, persona)
            _same(name, f"{persona.name}, {mode}", task.perform(way), wanted)
            counted = cost(way.tools, way.turns, way.instructions)
            visible = not way.blind and all(map(way.sees, needed))
            found[mode] = Fit(counted.definitions, counted.turns, counted.read, visible)
    return found


def _wanted(name: str, task: ModuleType) -> Any:
    """What a task finds or makes, call by call."""
    plain = [tool for server in listings().values() for tool in server["tools"]]
    return task.perform(Direct(_answers(Recording.load(name))(), plain))


def _same(name: str, label: str, made: Any, wanted: Any) -> None:
    if made != wanted:
        raise RuntimeError(f"{name}: {label} made something else:\n{wanted!r:.1500}\n{made!r:.1500}")


def ordered(name: str, task: ModuleType, servers: Path = SERVERS) -> Cost:
    """What a task costs without callmux where a turn may ask for calls in order, too."""
    plain = [tool for server in listings(servers).values() for tool in server["tools"]]
    way = InOrder(_answers(Recording.load(name))(), plain, together=True)
    task.perform(way)
    return cost(plain, way.turns)


def _answers(recording: Recording) -> Callable[[], Callable[[Call], str]]:
    """Makes what answers as the recorded servers did, from the beginning of the trace."""

    def begin() -> Callable[[Call], str]:
        rest = list(recording.calls)

        def answer(asked: Call) -> str:
            for position, call in enumerate(rest):
                same = call["server"] == asked.server and call["tool"] == asked.tool
                if same and canonical(call["arguments"]) == canonical(asked.arguments):
                    return text_of(rest.pop(position)["result"])
            raise RuntimeError(f"not in the recording: {asked}")

        return answer

    return begin


def _configuration(name: str, task: ModuleType, variant: Variant, listed: Path) -> dict[str, Any]:
    servers = {
        key: {"command": sys.executable, "args": [str(SERVER), str(listed), key, str(file_of(name))]}
        for key in listings(listed)
    }
    recipes = {"recipes": task.RECIPES} if task.RECIPES else {}
    return {"servers": servers, **recipes, **variant.keys}


def _names(listed: Path = SERVERS) -> dict[tuple[str, str], str]:
    """What callmux calls each tool, by server and own name."""
    return {
        (key, tool["name"]): f"{key}__{tool['name']}"
        for key, server in listings(listed).items()
        for tool in server["tools"]
    }


def _way(process: Process, task: ModuleType, variant: Variant, listed: Path) -> Way:
    names = _names(listed)
    if "preset" in variant.keys:
        return Lean(process, names, task.QUERIES, several=variant.several, in_order=variant.in_order)
    if "metaOnly" in variant.keys:
        return MetaOnly(process, names, task.QUERIES)
    way = Callmux(process, names)
    if missing := set(names.values()) - {tool["name"] for tool in way.tools}:
        raise RuntimeError(f"callmux does not list {', '.join(sorted(missing)[:5])}")
    return way
