"""What waits for a person: calls that somebody must allow, and servers that somebody must sign in to.

Made by `callmux.dashboard.kept`; hears of sign-ins on `callmux.observe.bus`. Arguments of calls are shown to
those alone who may decide about them.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from callmux.clock import Clock
from callmux.guard.approvals import DASHBOARD
from callmux.observe.facts import SignInNeeded
from callmux.observe.wording import said
from callmux.process.host import Host
from callmux.timestamps import iso

LONGEST = 300
"""Characters of what a client or a server wrote."""
ANSWERS = {"allow": "once", "deny": "deny"}
"""What the page says, and what is answered."""
_ABOUT = ("id", "client", "principal", "directory", "waitsSeconds", "leftSeconds")


class WaitingForPeople:
    """What waits in one process.

    Args:
        host: Runs the servers.
        clock: Time.
    """

    def __init__(self, host: Host, clock: Clock) -> None:
        self._host = host
        self._sign_ins: dict[str, float] = {}

        def needed(fact: SignInNeeded) -> None:
            self._sign_ins.setdefault(fact.server, clock.wall())

        host.bus.subscribe(SignInNeeded, needed)

    def shown(self, *, whole: bool) -> dict[str, Any]:
        """Both, the oldest first.

        Args:
            whole: Whether calls are shown with their arguments.
        """
        found = self._host.desk.waiting().get("waiting", [])
        approvals = [_approval(question, whole=whole) for question in found]
        return {"approvals": approvals, "signIns": self._signs()}

    def _signs(self) -> list[dict[str, Any]]:
        servers = self._host.runtime.servers
        for name in list(self._sign_ins):
            server = servers.get(name)
            if server is None or server.connection is not None:
                del self._sign_ins[name]
        return [
            {"server": name, "command": f"callmux login {name}", "since": iso(at)}
            for name, at in self._sign_ins.items()
        ]

    def answer(self, id: str, answer: str) -> bool:
        """Decides about calls that wait; whether they may be made.

        Raises:
            CallmuxError: That is no answer to anything that waits.
        """
        return bool(self._host.desk.answer(id, ANSWERS.get(answer, answer), DASHBOARD)["allowed"])


def about(question: Mapping[str, Any]) -> dict[str, Any]:
    """What may be shown of a question to everybody: its calls have arguments."""
    return {key: _cut(question[key]) for key in _ABOUT if key in question}


def _approval(question: Mapping[str, Any], *, whole: bool) -> dict[str, Any]:
    facts = about(question)
    calls = [f"{call['server']}: {_target(call)} ({call['tier']})" for call in question["calls"]]
    facts["calls"] = [said(call, LONGEST) for call in calls]
    if whole:
        facts |= {"details": question["calls"], "choices": question["choices"]}
    if "more" in question:
        facts["more"] = question["more"]
    return {**facts, "command": f"callmux approve {question['id']}"}


def _cut(value: Any) -> Any:
    return said(value, LONGEST) if isinstance(value, str) else value


def _target(call: Mapping[str, Any]) -> str:
    return str(next((call[kind] for kind in ("tool", "prompt", "resource", "method") if kind in call), ""))
