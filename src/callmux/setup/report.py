"""What setup found and would write, for people. Called by `callmux.cli.setup`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from callmux.clients import editing
from callmux.clients.diff import unified
from callmux.doctor.checks import counted
from callmux.setup.found import Found
from callmux.setup.judging import Verdict
from callmux.setup.plan import Answers, PlannedFile, SetupPlan
from callmux.setup.probing import ProbeAnswer
from callmux.setup.processes import process_lines, stop_lines
from callmux.setup.scene import Scene
from callmux.text import visible


def plan_lines(
    plan: SetupPlan, answers: Answers, probed: Mapping[str, ProbeAnswer], config_path: str
) -> list[str]:
    """The whole plan: every change, and what it comes to at the end."""
    return [*change_lines(plan), *summary_lines(plan, answers, probed, config_path)]


def change_lines(plan: SetupPlan) -> list[str]:
    """The differences of all files, but for those that hold a credential, and the schema."""
    shown = [
        unified(file.path, file.before or "", file.after)
        for file in plan.files
        if not (file.secret or file.is_schema)
    ]
    return [line for difference in shown for line in (difference, "")]


def summary_lines(
    plan: SetupPlan, answers: Answers, probed: Mapping[str, ProbeAnswer], config_path: str
) -> list[str]:
    """What the plan comes to: servers, clients, files, notes."""
    lines = [f"Servers in {config_path}:"]
    if not plan.servers:
        lines.append("  (no new ones)")
    origins: dict[str, list[str]] = {name: [] for name in plan.servers}
    sources = [f"from {found.place}" for found in answers.moved] + ["new"] * len(answers.added)
    for name, source in zip(plan.names, sources, strict=True):
        origins.setdefault(name, []).append(source)
    for name, where in origins.items():
        answer = probed.get(name)
        tools = "" if answer is None or answer.problem else f", {counted(len(answer.tools), 'tool')}"
        lines.append(f"  {name:<20} {' and '.join(where)}{tools}")
    if plan.decisions:
        lines += ["", "Processes where sessions share a listener:", *process_lines(plan.decisions)]
        lines += stop_lines([name for name in plan.decisions if name in plan.stoppable], answers.idle_stop)
    titles = ", ".join(editing.title(kind) for kind in plan.attached)
    lines += ["", f"Clients that get callmux: {titles or '(none)'}"]
    lines += ["", "Files:" if plan.files else "Files: nothing has to change"]
    lines += [f"  {file.path}: {_size(file)}" for file in plan.files]
    if plan.notes:
        lines += ["", "Mind:"]
        lines += [f"  {note}" for note in plan.notes]
    return list(map(visible, lines))


def _size(file: PlannedFile) -> str:
    """What becomes of a file, in a few words."""
    if file.secret:
        return "a credential, for you only (0600)"
    if file.is_schema:
        return "what it may hold, for editors"
    if file.before is None:
        return f"new, {counted(len(file.after.splitlines()), 'line')}"
    difference = unified(file.path, file.before, file.after).splitlines()[2:]
    more, fewer = (sum(line.startswith(sign) for line in difference) for sign in "+-")
    return f"{counted(more, 'line')} more, {fewer} fewer"


def of_one_project(judged: Sequence[Verdict], moved: Sequence[Found]) -> list[Found]:
    """Servers of the user that are for one project, could move, and were not chosen."""
    chosen = {item.key for item in moved}
    possible = [verdict.found for verdict in judged if verdict.reason is None]
    return [
        item
        for item in possible
        if item.project is not None and not item.is_of_a_project_file and item.key not in chosen
    ]


def overview(
    scene: Scene, judged: Sequence[Verdict], skipped: Mapping[str, str], moved: Sequence[Found] | None = None
) -> list[str]:
    """What was found and is not moved, and why.

    Args:
        moved: What was chosen; None where that is still to be asked.
    """
    lines = [f"Not read: {problem}" for problem in scene.problems]
    lines += [
        f'Left where it is: "{verdict.found.name}" of {verdict.found.place}: {verdict.reason}'
        for verdict in judged
        if verdict.reason is not None and not verdict.found.ours
    ]
    files: dict[str, list[str]] = {}
    for verdict in judged:
        if verdict.reason is None and scene.is_pending(verdict.found):
            files.setdefault(verdict.found.file.path, []).append(verdict.found.name)
    lines += [
        f"Left where it is, and not started: {', '.join(names)} of {path}, which belongs to a project."
        f" --project-file {path} says that its commands may run"
        for path, names in files.items()
    ]
    lines += [
        f'Left where it is: "{item.name}" of {item.place}: behind callmux every client would have it'
        f" everywhere; --move {item.name} moves it"
        for item in ([] if moved is None else of_one_project(judged, moved))
        if item.name not in skipped
    ]
    lines += [f'Left out: "{name}" does not answer: {problem}' for name, problem in skipped.items()]
    return [*map(visible, lines), ""] if lines else []


def finish_lines(plan: SetupPlan, folder: Path | None) -> list[str]:
    """What was done and what comes next."""
    if folder is None:
        return ["Everything is as it should be already: nothing was written."]
    lines = [f"Done: {counted(len(plan.files), 'file')} written. What was there is kept in {folder}"]
    lines += [f"{editing.title(kind)}: {editing.reload_hint(kind)}" for kind in plan.attached]
    if plan.preset is None:
        lines.append(
            'For the least context: callmux setup --preset lean, or "preset": "lean" (docs/presets.md)'
        )
    lines.append('To be asked before calls that change something: "approve": ["write"] (docs/approval.md)')
    return [*lines, "To see that it works: callmux doctor", "To undo it: callmux setup --undo"]
