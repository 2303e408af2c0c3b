"""What every call was promised, and whether it was kept. Pure: called by `storm` with what it saw."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

IDEMPOTENT = frozenset({"read", "slow_read", "put"})
MUTATING = frozenset({"write", "slow", "hang", "crash_before", "crash_after"})
STRIKING = frozenset({"hang", "crash_before", "crash_after"})
"""Calls that are faults themselves: what becomes of them is their own doing."""


@dataclass(slots=True)
class Call:
    """One call of a client.

    Attributes:
        sent: When, by the loop's clock.
        over: When it was answered; None where it never was.
        state: `ok`, or the `executionState` of its error, or what else it ended with.
    """

    session: int
    tool: str
    token: str
    sent: float
    over: float | None = None
    state: str = "no answer"
    told: str = ""


@dataclass(slots=True)
class Fault:
    """One fault.

    Attributes:
        gaps: Seconds from the fault until each session had the answer to a read it sent right after.
    """

    kind: str
    begun: float
    over: float = 0.0
    gaps: list[float] = field(default_factory=list)


def broken_promises(
    calls: Iterable[Call], faults: Sequence[Fault], begun: Counter[str], done: Counter[str]
) -> list[str]:
    """What was not kept, a line each; none where all is well.

    Args:
        begun: How often a server took each token.
        done: How often its effect was written down.
    """
    wrong = []
    for call in calls:
        about = f"{call.tool} {call.token} of session {call.session}: {call.state} {call.told}"
        if call.tool in IDEMPOTENT and call.state != "ok":
            wrong.append(f"an idempotent call failed: {about}")
        if call.tool in MUTATING and (begun[call.token] > 1 or done[call.token] > 1):
            wrong.append(f"an effect was doubled ({done[call.token]}x): {about}")
        if call.state == "not_started" and begun[call.token]:
            wrong.append(f"said not to be started, and it was: {about}")
        if call.state == "ok" and not done[call.token]:
            wrong.append(f"answered without its effect: {about}")
        if call.state not in ("ok", "not_started", "unknown"):
            wrong.append(f"no clear end: {about}")
        if call.state == "unknown" and call.tool not in STRIKING and not _struck(call, faults):
            wrong.append(f"unknown although nothing happened meanwhile: {about}")
    return wrong


def crossed(heard: Mapping[tuple[int, int], int]) -> list[str]:
    """Who heard of another session's calls, a line each.

    Args:
        heard: How often, by the session that heard and the one that called.
    """
    return [
        f"session {who} heard {times}x of calls of session {whose}"
        for (who, whose), times in sorted(heard.items())
        if who != whose
    ]


def _struck(call: Call, faults: Sequence[Fault]) -> bool:
    over = call.over if call.over is not None else float("inf")
    return any(fault.begun <= over and fault.over >= call.sent for fault in faults)


def quantile(values: Sequence[float], part: float) -> float:
    """The value below which `part` of them lie; 0 for none."""
    ordered = sorted(values)
    return ordered[min(int(len(ordered) * part), len(ordered) - 1)] if ordered else 0.0


def table(calls: Sequence[Call], faults: Sequence[Fault]) -> str:
    """The account: calls by state, and for each kind of fault how long a client waited."""
    states = Counter(("idempotent" if call.tool in IDEMPOTENT else "mutating", call.state) for call in calls)
    lines = [f"{'calls':34}{'number':>8}"]
    lines += [f"{kind + ', ' + state:34}{number:>8}" for (kind, state), number in sorted(states.items())]
    lines += ["", f"{'fault':34}{'number':>8}{'p50 gap, ms':>14}{'p99 gap, ms':>14}"]
    for kind in sorted({fault.kind for fault in faults}):
        of_kind = [fault for fault in faults if fault.kind == kind]
        gaps = [gap * 1000 for fault in of_kind for gap in fault.gaps]
        lines.append(f"{kind:34}{len(of_kind):>8}{quantile(gaps, 0.5):>14.0f}{quantile(gaps, 0.99):>14.0f}")
    return "\n".join(lines)
