"""A real model does the recorded tasks with real servers, without callmux and with it: tokens, turns, result.

    export MODEL_KEY=...
    python benchmarks/model.py --api openai --base-url https://api.openai.com/v1 --model NAME
    python benchmarks/model.py --api anthropic --base-url https://api.anthropic.com/v1 --model NAME
    python benchmarks/model.py --scripted            without a key: a scripted model on this machine

Tokens are those the endpoint reports, over all requests of a task. Whether a task was done is looked up in
the files, the repository, the tracker and the graph. Needs the servers of `scripts/interop` (see README.md);
every task begins with a fresh copy of its data. An attempt costs what the endpoint charges for its tokens.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import shlex
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Any

from replay.agent import WAYS, WITHOUT, Outcome, attempt
from replay.endpoints import ENDPOINTS
from replay.goals import GOALS
from replay.scripted import ScriptedModel, scripted_model
from replay.tasks import TASKS


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument(
        "--api", choices=list(ENDPOINTS), default="openai", help="how the endpoint is talked to"
    )
    parser.add_argument("--base-url", help="its address, up to and with /v1")
    parser.add_argument("--model", help="the model's name")
    parser.add_argument("--key-variable", default="MODEL_KEY", help="the environment variable with the key")
    parser.add_argument("--scripted", action="store_true", help="a scripted model on this machine instead")
    parser.add_argument("--task", nargs="*", choices=list(TASKS), default=list(TASKS))
    parser.add_argument("--way", nargs="*", choices=list(WAYS), default=[WITHOUT, "lean"])
    parser.add_argument("--rounds", type=int, default=1, help="attempts at each task each way")
    parser.add_argument("--turns", type=int, default=80, help="turns after which an attempt is given up")
    parser.add_argument("--longest", type=int, default=0, help="tokens that an answer may have")
    parser.add_argument("--callmux", default=f"{sys.executable} -m callmux")
    parser.add_argument("--json", type=Path, help="where to write every outcome")
    options = parser.parse_args()
    key = os.environ.get(options.key_variable, "")
    if not options.scripted and not (options.base_url and options.model):
        parser.error("--base-url and --model are needed, or --scripted")
    if not options.scripted and not key:
        print(f"{options.key_variable} is not set: no key is sent", file=sys.stderr)
    found: dict[str, dict[str, list[Outcome]]] = {}
    with contextlib.ExitStack() as stack:
        scripted = stack.enter_context(scripted_model()) if options.scripted else None
        for name in options.task:
            found[name] = {way: [] for way in options.way}
            for _ in range(options.rounds):
                for way in options.way:
                    outcome = _attempt(name, way, key, options, scripted)
                    found[name][way].append(outcome)
                    print(_line(name, way, outcome), flush=True)
    for way in options.way:
        print(_sum(way, [outcome for ways in found.values() for outcome in ways[way]]))
    if options.json:
        about = {"model": "a script" if options.scripted else options.model, "api": options.api}
        outcomes = {
            name: {w: [asdict(o) for o in os] for w, os in ways.items()} for name, ways in found.items()
        }
        options.json.write_text(json.dumps({**about, "tasks": outcomes}, indent=1) + "\n", "utf-8")
    return 0


def _attempt(name: str, way: str, key: str, options: Any, scripted: ScriptedModel | None) -> Outcome:
    url, model = options.base_url, options.model
    if scripted is not None:
        scripted.task = TASKS[name]
        url, model, key = scripted.url, "scripted", "none"
    endpoint = ENDPOINTS[options.api](url, model, key, options.longest)
    callmux = shlex.split(options.callmux)
    return attempt(TASKS[name], GOALS[name], way, endpoint, callmux, options.turns)


def _line(name: str, way: str, outcome: Outcome) -> str:
    cached = f" ({outcome.cached:,} cached)" if outcome.cached else ""
    failed = f", {outcome.failed} failed" if outcome.failed else ""
    done = "; ".join(outcome.problems[:3]) or "right"
    return (
        f"{name}, {way}: {outcome.turns} turns, {outcome.calls} calls{failed}, {outcome.read:,} tokens read"
        f"{cached}, {outcome.written:,} written, {outcome.tools} tools: {done}"
    )


def _sum(way: str, outcomes: list[Outcome]) -> str:
    right = sum(not outcome.problems for outcome in outcomes)
    return (
        f"together, {way}: {sum(o.turns for o in outcomes)} turns, {sum(o.read for o in outcomes):,} tokens "
        f"read, {sum(o.written for o in outcomes):,} written, {right} of {len(outcomes)} right"
    )


if __name__ == "__main__":
    sys.exit(main())
