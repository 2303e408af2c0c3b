"""How well and how fast `callmux_search_tools` finds tools in real catalogues.

    python benchmarks/search.py DATA [--only live] [--json FILE]

DATA holds `catalogs/*.json`, `catalogs/smithery.json.gz` (755 servers, about 10,000 tools) and `retrieval/`.
Five sets; the figures in `callmux.metatools.scoring` are round numbers that do well on all of them:

- `labelled`: the 47 queries of `retrieval/`, over its 45 tools (recall@5, MRR) and among 600 tools
- `questions`: 20 questions with their steps (`questions.json`), written before anything was
  measured, among 600 tools: the share of needed tools in the first five by step, in the first ten as a whole
- `paraphrase`: tools of one name on several servers; the first sentence of one's description must find
  another among all 10,000
- `three`: three such sentences as one question, the first ten among 600 tools
- `live`: 48 tasks of LiveMCPBench (`retrieval/livemcp-dev.json`) among its 527 tools: the share of the tools
  that an annotator used which is found by the steps of a task, and by its whole question; beside a plain
  BM25, and beside the worst and the best fifth of the tasks, which says how much of a figure is chance
"""

from __future__ import annotations

import argparse
import gzip
import json
import math
import random
import re
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Any, NamedTuple

from callmux.metatools.scoring import Index

OWN = ("chrome-devtools", "context7", "filesystem", "github", "memory", "notion", "playwright")
LIKE_OWN = re.compile(
    r"browser|chrome|code|context|crawl|devtools|doc|fetch|file|git|memory|notion|playwright|scrap|sql|time|web",
    re.IGNORECASE,
)
POOL = 600

Pool = list[tuple[str, dict[str, Any]]]
Rank = Callable[[str, int], list[int]]


def document(server: str, tool: dict[str, Any]) -> dict[str, str]:
    """The texts of a tool, as `callmux_search_tools` takes them."""
    schema = tool.get("inputSchema") or tool.get("schema") or {}
    properties = schema.get("properties") or {}
    about = [(name, p.get("description") if isinstance(p, dict) else "") for name, p in properties.items()]
    return {
        "name": name_of(tool),
        "title": tool.get("title") or "",
        "server": server,
        "description": tool.get("description") or "",
        "parameters": " ".join(name for name, _ in sorted(properties.items(), key=lambda item: item[0])),
        "parameter descriptions": " ".join(text for _, text in about if isinstance(text, str)),
    }


def name_of(tool: dict[str, Any]) -> str:
    return str(tool.get("name") or tool["tool"])


def ranker(pool: Pool) -> Rank:
    index = Index(document(server, tool) for server, tool in pool)
    return lambda query, most: [n for n, _ in index.spread(query, index.scores(query), most)]


def ids(pool: Pool) -> list[str]:
    return [f"{server}:{name_of(tool)}" for server, tool in pool]


class Data:
    """The catalogues."""

    def __init__(self, folder: Path) -> None:
        catalogs, retrieval = folder / "catalogs", folder / "retrieval"
        self.many = json.loads(gzip.decompress((catalogs / "smithery.json.gz").read_bytes()))
        self.labelled: Pool = [
            (tool["server"], tool)
            for tool in json.loads((retrieval / "tools.json").read_text("utf-8"))["tools"]
        ]
        self.queries = json.loads((retrieval / "queries.json").read_text("utf-8"))["queries"]
        self.own: Pool = []
        for name in OWN:
            found = json.loads((catalogs / f"{name}.json").read_text("utf-8"))
            self.own += [(name, tool) for tool in (found["tools"] if isinstance(found, dict) else found)]
        self.questions = json.loads(Path(__file__).with_name("questions.json").read_text("utf-8"))

    def filled(self, pool: Pool, seed: int, avoid: Callable[[str], object] = LIKE_OWN.search) -> Pool:
        """`pool` with tools of other servers, to 600."""
        others = sorted(key for key in self.many if not avoid(key))
        random.Random(seed).shuffle(others)
        pool = list(pool)
        while len(pool) < POOL and others:
            server = others.pop()
            pool += [(server, tool) for tool in self.many[server]]
        return pool


class Task(NamedTuple):
    """A task of `live`, and the tools that an annotator used for it."""

    question: str
    steps: list[str]
    tools: set[str]


def live_tasks(folder: Path) -> tuple[Pool, list[Task]] | None:
    """The pool and the tasks of `live`; None where the data is not there."""
    tools, tasks = (folder / "retrieval" / name for name in ("livemcp-tools.json.gz", "livemcp-dev.json"))
    if not (tools.exists() and tasks.exists()):
        return None
    servers: dict[str, list[dict[str, Any]]] = json.loads(gzip.decompress(tools.read_bytes()))
    pool = [(server, tool) for server, listed in servers.items() for tool in listed]
    read = [
        Task(task["question"], task["steps"], set(task["tools"]))
        for task in json.loads(tasks.read_text("utf-8"))
    ]
    return pool, [task for task in read if task.tools]


def shares(pool: Pool, tasks: list[Task], rank: Rank) -> list[dict[str, float]]:
    """For each task, how many of its tools are found in each way."""
    names = [name_of(tool) for _, tool in pool]
    rows = []
    for task in tasks:
        row = {}
        for most in (5, 10):
            by_step = {names[n] for step in task.steps for n in rank(step, most)}
            row[f"by step, first {most}"] = float(len(task.tools & by_step))
        for most in (5, 10):
            whole = {names[n] for n in rank(task.question, most)}
            row[f"as a whole, first {most}"] = float(len(task.tools & whole))
        rows.append(row)
    return rows


def live(pool: Pool, tasks: list[Task], rank: Rank) -> dict[str, float]:
    rows = shares(pool, tasks, rank)
    needed = sum(len(task.tools) for task in tasks)
    return {key: sum(row[key] for row in rows) / needed for key in rows[0]}


def folds(pool: Pool, tasks: list[Task], rank: Rank) -> dict[str, tuple[float, float]]:
    """The lowest and the highest share over five parts of the tasks."""
    rows = shares(pool, tasks, rank)
    order = list(range(len(tasks)))
    random.Random(0).shuffle(order)
    parts = [order[n::5] for n in range(5)]
    found = {
        key: [sum(rows[n][key] for n in part) / sum(len(tasks[n].tools) for n in part) for part in parts]
        for key in rows[0]
    }
    return {key: (min(values), max(values)) for key, values in found.items()}


def plain(pool: Pool) -> Rank:
    """BM25 as a text book has it: one text a tool, words as they are."""

    def said(text: str) -> list[str]:
        return re.findall("[a-z0-9]+", text.lower())

    docs = [
        Counter(said(f"{server} {name_of(tool).replace('_', ' ')} {tool.get('description') or ''}"))
        for server, tool in pool
    ]
    having = Counter(word for doc in docs for word in doc)
    average = sum(sum(doc.values()) for doc in docs) / len(docs)

    def rank(query: str, most: int) -> list[int]:
        sums = [0.0] * len(docs)
        for word in dict.fromkeys(said(query)):
            rarity = math.log(1 + (len(docs) - having[word] + 0.5) / (having[word] + 0.5))
            for n, doc in enumerate(docs):
                if count := doc[word]:
                    length = 0.25 + 0.75 * sum(doc.values()) / average
                    sums[n] += rarity * count * 2.2 / (count + 1.2 * length)
        return sorted(range(len(docs)), key=lambda n: (-sums[n], n))[:most]

    return rank


def show_live(folder: Path) -> dict[str, float]:
    found = live_tasks(folder)
    if found is None:
        print(f"live: skipped, {folder}/retrieval has no livemcp-tools.json.gz and livemcp-dev.json")
        return {}
    pool, tasks = found
    ours = ranker(pool)
    figures, beside, spans = live(pool, tasks, ours), live(pool, tasks, plain(pool)), folds(pool, tasks, ours)
    print(f"live: {len(tasks)} tasks, {len(pool)} tools {'':8} callmux  a fifth of the tasks  plain BM25")
    for key, value in figures.items():
        low, high = spans[key]
        print(f"live {key:34} {value:9.3f}  {low:9.3f} to {high:.3f}   {beside[key]:9.3f}")
    return {f"live {key}": value for key, value in figures.items()}


def labelled(data: Data) -> dict[str, float]:
    recall = mrr = 0.0
    wanted = [{label["tool_id"] for label in q["labels"] if label["relevance"] > 0} for q in data.queries]
    rank, names = ranker(data.labelled), ids(data.labelled)
    for query, want in zip(data.queries, wanted, strict=True):
        found = [names[n] for n in rank(query["query"], 45)]
        recall += len(want & set(found[:5])) / len(want)
        mrr += next((1 / place for place, name in enumerate(found, 1) if name in want), 0.0)
    pool = data.filled(data.labelled, 5)
    rank, names = ranker(pool), ids(pool)
    among = sum(
        bool(want & {names[n] for n in rank(query["query"], 5)})
        for query, want in zip(data.queries, wanted, strict=True)
    )
    count = len(wanted)
    return {
        "labelled recall@5": recall / count,
        "labelled MRR": mrr / count,
        "labelled among 600, hit@5": among / count,
    }


def questions(data: Data) -> dict[str, float]:
    by_step = by_question = needed = 0
    for seed in (1, 2, 3):
        own = {server for server, _ in data.own}
        pool = data.filled(data.own + [(s, t) for s, t in data.labelled if s not in own], seed)
        rank, names = ranker(pool), ids(pool)
        for question in data.questions:
            whole = {names[n] for n in rank(question["question"], 10)}
            for step in question["steps"]:
                needed += 1
                by_question += not whole.isdisjoint(step["tools"])
                by_step += any(names[n] in step["tools"] for n in rank(step["step"], 5))
    return {
        "questions by step, first 5": by_step / needed,
        "questions as a whole, first 10": by_question / needed,
    }


def twins(data: Data) -> list[tuple[str, str, set[str]]]:
    """A sentence, the server it is from, and the tools of the same name with other descriptions."""

    def said(text: str) -> set[str]:
        return set(re.findall("[a-z]+", text.lower()))

    named: dict[str, Pool] = {}
    for server, tools in data.many.items():
        for tool in tools:
            named.setdefault(tool["name"], []).append((server, tool))
    found = []
    for name, group in named.items():
        for server, tool in group if 2 <= len(group) <= 6 else ():
            sentence = re.split(r"(?<=[.!?])\s|\n", (tool.get("description") or "").strip())[0]
            own = said(sentence)
            others = [(s, said(t.get("description") or "")) for s, t in group if s != server]
            unlike = all(len(own & theirs) < len(own | theirs) / 2 for _, theirs in others)
            if 5 <= len(sentence.split()) <= 25 and unlike and len(others) == len(group) - 1:
                found.append((sentence, server, {f"{s}:{name}" for s, _ in others}))
                break
    random.Random(0).shuffle(found)
    return found[:400]


def paraphrases(data: Data, rank: Rank, everything: Pool) -> dict[str, float]:
    cases, names = twins(data), ids(everything)
    hits = 0
    for sentence, own, wanted in cases:
        found = [n for n in rank(sentence, 60) if everything[n][0] != own][:5]
        hits += any(names[n] in wanted for n in found)
    together = needed = 0
    for n in range(0, 180, 3):
        group = cases[n : n + 3]
        servers = {name.rsplit(":", 1)[0] for _, _, wanted in group for name in wanted}
        writers = {own for _, own, _ in group}
        pool: Pool = [(server, tool) for server in sorted(servers) for tool in data.many[server]]
        out = servers | writers
        pool = data.filled(pool, n, lambda key, out=out: key in out)  # type: ignore[misc]
        names_here = ids(pool)
        a, b, c = (sentence.rstrip(". ") for sentence, _, _ in group)
        question = (
            f"{a}. {b}. {c}.",
            f"I need you to {a}, then {b} and finally {c}.",
            f"{a} and {b} and {c}",
        )
        found_here = {names_here[n] for n in ranker(pool)(question[n // 3 % 3], 10)}
        needed += 3
        together += sum(bool(wanted & found_here) for _, _, wanted in group)
    return {"paraphrase hit@5 of 10,000": hits / len(cases), "three together, first 10": together / needed}


def speed(data: Data, rank: Rank) -> dict[str, float]:
    figures = {}
    for kind, queries in (
        ("query", [query["query"] for query in data.queries]),
        ("question", [question["question"] for question in data.questions]),
    ):
        took = []
        for query in queries * 3:
            began = time.perf_counter()
            rank(query, 10)
            took.append((time.perf_counter() - began) * 1000)
        figures[f"{kind} over 10,000, ms"] = median(took)
        figures[f"{kind} over 10,000, worst ms"] = max(took)
    return figures


def main() -> None:
    parser = argparse.ArgumentParser(description="How well and how fast tools are found.")
    parser.add_argument("data", type=Path)
    parser.add_argument("--only", choices=["live"], help="this set alone")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    figures = show_live(options.data)
    if options.only is None:
        figures |= other_sets(options.data)
    if options.json:
        options.json.write_text(json.dumps(figures))


def other_sets(folder: Path) -> dict[str, float]:
    data = Data(folder)
    everything: Pool = [(server, tool) for server, tools in data.many.items() for tool in tools]
    steps = []
    index = Index()
    began = time.perf_counter()
    for _ in index.fill(document(server, tool) for server, tool in everything):
        steps.append(time.perf_counter() - began)
        began = time.perf_counter()

    def rank(query: str, most: int) -> list[int]:
        return [n for n, _ in index.spread(query, index.scores(query), most)]

    figures = {
        **labelled(data),
        **questions(data),
        **paraphrases(data, rank, everything),
        "index of 10,000, ms": sum(steps) * 1000,
        "its longest step, ms": max(steps) * 1000,
        **speed(data, rank),
    }
    for key, value in figures.items():
        print(f"{key:39} {value:9.3f}")
    return figures


if __name__ == "__main__":
    main()
