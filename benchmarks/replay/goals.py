"""What a model is asked for in each task, and whether it did that. Called by `replay.agent`.

The recorded agents know how their tasks are meant; a model is told. What is right is looked up where the work
was done (files, the repository, the tracker, the graph), never in how it was done.
"""

from __future__ import annotations

import csv
import json
import re
import subprocess
import tomllib
from collections.abc import Callable
from dataclasses import dataclass

from replay.tasks import data_cleanup, issue_triage, release_notes
from replay.workplace import Workplace


@dataclass(frozen=True, slots=True)
class Goal:
    """A task for a model.

    Attributes:
        request: What the user asks for; `{project}` is the folder of the repository.
        servers: The keys of the servers it cannot be done without.
        problems: What is not right afterwards, by the place and what the model said last.
    """

    request: str
    servers: frozenset[str]
    problems: Callable[[Workplace, str], list[str]]


def _triaged(place: Workplace, _: str) -> list[str]:
    problems = []
    files = sorted((place.tracker / "backlog" / "tasks").glob("task-*.md"))
    issues = {path: path.read_text("utf-8") for path in files}
    told = issue_triage.AREAS
    seen = 0
    for path, text in issues.items():
        if (area := next((name for name in told if f"Seen in {name} " in text), None)) is None:
            continue
        seen += 1
        weight = next(name for name, said in issue_triage.WEIGHT.items() if said in text)
        head = text.split("---")[1]
        wanted = {"priority": f"priority: {weight}", "assignee": told[area], "label": area}
        problems += [f"{path.name}: no {what} {found}" for what, found in wanted.items() if found not in head]
        if "untriaged" in head:
            problems.append(f"{path.name}: still untriaged")
    if seen != len(issue_triage.ISSUES):
        problems.append(f"{seen} of {len(issue_triage.ISSUES)} issues are left")
    if not any((place.tracker / "backlog" / "docs").rglob("*.md")):
        problems.append("no summary among the documents")
    return problems


def _surveyed(place: Workplace, _: str) -> list[str]:
    path = place.project / "SURVEY.md"
    if not path.exists():
        return ["there is no SURVEY.md"]
    text = path.read_text("utf-8")
    folders = [entry.name for entry in place.project.iterdir() if entry.is_dir() and entry.name[0] != "."]
    lately = _git(place, "log", "-5", "--format=%s").splitlines()
    return [f"SURVEY.md does not name {word!r}" for word in [*folders, *lately] if word not in text]


def _noted(place: Workplace, _: str) -> list[str]:
    path = place.project / "RELEASE.md"
    if not path.exists():
        return ["there is no RELEASE.md"]
    text = path.read_text("utf-8")
    subjects = _git(place, "log", "-12", "--format=%s").splitlines()
    worth = [subject for subject in subjects if not subject.startswith(release_notes.LEFT_OUT)]
    problems = [f"RELEASE.md lacks {subject!r}" for subject in worth if subject not in text]
    problems += [f"RELEASE.md has {s!r}" for s in subjects if s not in worth and s in text]
    if not re.search(r"\b20\d\d-\d\d-\d\d\b", text):
        problems.append("RELEASE.md has no date")
    if "RELEASE.md" not in _git(place, "diff", "--cached", "--name-only").split():
        problems.append("RELEASE.md is not staged")
    return problems


def _cleaned(place: Workplace, _: str) -> list[str]:
    problems = []
    for path in sorted((place.project / "contacts").glob("*.csv")):
        clean = path.parent / "clean" / path.name
        wanted = data_cleanup.clean(path.read_text("utf-8"))
        if not clean.exists():
            problems.append(f"there is no clean/{path.name}")
        elif _rows(clean.read_text("utf-8")) != _rows(wanted):
            problems.append(f"clean/{path.name} has other rows")
    return problems


def _renamed(place: Workplace, _: str) -> list[str]:
    folder = place.project / "src" / "callmux" / "metatools"
    texts = {path.name: path.read_text("utf-8") for path in folder.rglob("*.py")}
    old = re.compile(r"\boutput_format\(|import output_format\b")
    problems = [f"{name} has the old name" for name, text in texts.items() if old.search(text)]
    if not any("def wanted_format(" in text for text in texts.values()):
        problems.append("there is no function wanted_format")
    if _git(place, "status", "--porcelain", "--", "src").strip():
        problems.append("not all of it is committed")
    return problems


def _researched(place: Workplace, _: str) -> list[str]:
    if not place.graph.exists():
        return ["the graph is empty"]
    lines = [json.loads(line) for line in place.graph.read_text("utf-8").splitlines() if line.strip()]
    known = {line["name"]: line["observations"] for line in lines if line["type"] == "entity"}
    problems = [
        f"the graph has nothing about {path.name}"
        for path in sorted((place.project / "docs").glob("*.md"))
        if len(known.get(path.name, ())) < 2
    ]
    if not any(line["type"] == "relation" for line in lines):
        problems.append("the graph relates nothing")
    return problems


def _answered(place: Workplace, said: str) -> list[str]:
    text = (place.project / "pyproject.toml").read_text("utf-8")
    wanted = tomllib.loads(text)["project"]["version"]
    problems = [] if wanted in said else [f"the answer does not say {wanted!r}"]
    if not re.search(r"\d{1,2}:\d{2}", said):
        problems.append("the answer has no time of day")
    return problems


GOALS = {
    "issue-triage": Goal(
        "Go through the tasks with the label untriaged in the tracker. Give each the priority its "
        "text calls for: high where customers cannot go on with their work, medium where they know a "
        "way round, low where nobody complained. Replace its labels by bug and the area it was seen "
        "in (checkout, search, import, sign-in), and assign it: checkout to @amara, search to @bo, "
        "import to @chen, sign-in to @dana. Leave a summary as a document of the tracker.",
        frozenset({"backlog"}),
        _triaged,
    ),
    "repository-survey": Goal(
        "Find out what the repository {project} is, how it is built and what happened lately. Write "
        "it into SURVEY.md there: name every folder at the top that is not hidden, and quote the "
        "subjects of the last five commits.",
        frozenset({"files", "git"}),
        _surveyed,
    ),
    "release-notes": Goal(
        "Write {project}/RELEASE.md from the last twelve commits of the repository {project}: a "
        "heading with today's date (as 2026-01-31, in Berlin), then a line for each commit that "
        "quotes its subject and names the folders it touched. Leave out commits whose subject begins "
        "with Test. Stage the file.",
        frozenset({"files", "git"}),
        _noted,
    ),
    "data-cleanup": Goal(
        "The lists in {project}/contacts (CSV: name, since, country) are untidy. Write each into "
        "{project}/contacts/clean under the same name: one space between the parts of a name and each "
        "part capitalized, dates as 2026-01-31, countries as their codes of two letters (DE, AT, FR, "
        "PT, SE), no row twice, rows sorted, the same heading.",
        frozenset({"files"}),
        _cleaned,
    ),
    "file-refactoring": Goal(
        "Rename the function output_format of {project}/src/callmux/metatools to wanted_format, "
        "wherever it is used in that folder, and commit the change. Local variables of that name "
        "stay.",
        frozenset({"files", "git"}),
        _renamed,
    ),
    "research": Goal(
        "Read the documents (*.md) directly under {project}/docs. Keep each in the knowledge graph as "
        "an entity of the type document that is called like its file, with its title, the day on "
        "which you read it and the first sentence of up to six sections as observations; relate "
        "documents where one links to the other.",
        frozenset({"files", "memory"}),
        _researched,
    ),
    "two-calls": Goal(
        "What do the first ten lines of {project}/pyproject.toml say about the version, and what time "
        "is it in Lisbon? Quote the version.",
        frozenset({"files", "time"}),
        _answered,
    ),
}
"""By the name of the task."""


def _rows(text: str) -> list[list[str]]:
    return [row for row in csv.reader(text.splitlines()) if row]


def _git(place: Workplace, *arguments: str) -> str:
    command = ["git", "-C", str(place.project), *arguments]
    return subprocess.run(command, check=True, capture_output=True, text=True, timeout=60).stdout
