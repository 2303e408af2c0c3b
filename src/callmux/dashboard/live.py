"""The calls that run now, for the dashboard, and giving one of them up.

Made by `callmux.dashboard.kept`; reads the requests of all sessions through `callmux.session.activity`.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from typing import Any

import msgspec

from callmux.clock import Clock
from callmux.errors import CallGivenUp
from callmux.observe.wording import said
from callmux.process.host import Host
from callmux.rings.call import Call
from callmux.rings.converting import as_result
from callmux.rings.ring import Job
from callmux.session.activity import Activity
from callmux.session.request import Request
from callmux.session.session import Session

log = logging.getLogger(__name__)

LONGEST = 300
"""Characters of what a client or a server wrote."""
QUEUED, RUNNING, WAITING, RETRYING = "queued", "running", "waiting", "retrying"


class _Progress(msgspec.Struct):
    progress: Any = None
    total: Any = None
    message: Any = None


_PROGRESS = msgspec.json.Decoder(_Progress)


class Live:
    """The running calls of one process.

    Args:
        host: Runs the servers.
        clock: Time.
    """

    def __init__(self, host: Host, clock: Clock) -> None:
        self._host = host
        self._clock = clock

    def shown(self) -> dict[str, Any]:
        """The tool calls of all sessions, in the order in which they began."""
        activity = Activity(self._host.runtime.find, self._clock)
        running = sorted(self._requests(), key=lambda one: one[0].started)
        return {"calls": [self._shown(activity, *one) for one in running]}

    def _requests(self) -> Iterator[tuple[Request, Session]]:
        for session in self._host.sessions:
            for request in session.requests:
                if request.job is not None:
                    yield request, session

    def _shown(self, activity: Activity, request: Request, session: Session) -> dict[str, Any]:
        facts = activity.about(request)
        principal = request.said.principal or session.facts.principal
        told = {
            "client": None if session.facts.client_name is None else said(session.facts.client_name, LONGEST),
            "principal": None if principal is None else principal.label,
            "progress": progress_of(request),
        }
        facts.update({key: value for key, value in told.items() if value is not None})
        return {
            **facts,
            "tool": said(str(facts.get("tool", "")), LONGEST),
            "ageMs": facts["durationMs"],
            "state": state_of(request.job),
            "cancellable": True,
        }

    def give_up(self, shown_id: str, by: str) -> bool:
        """Gives a call up, whose client is told so; whether there was one.

        Args:
            shown_id: Its id, as `shown` has it.
            by: Who wants that.
        """
        found = next((one for one, _ in self._requests() if shown_id and one.shown_as == shown_id), None)
        if found is None:
            return False
        log.info("a call was given up at the dashboard by %s", by)
        error = CallGivenUp("a person gave this call up at the dashboard of callmux")
        # Its client first: what is cancelled has no answer.
        found.code = error.code
        found.answered(as_result(error).raw)
        found.cancel(error.message)
        return True


def state_of(job: Job | None) -> str:
    """What a job is about now."""
    if not isinstance(job, Call):
        return RUNNING if job is None or job.task is not None else WAITING
    if job.first is not None:
        return RETRYING
    if job.number:
        return RUNNING
    return QUEUED if job.task is None else WAITING


def progress_of(request: Request) -> dict[str, Any] | None:
    """What the server said last of how far it is; None where it said nothing that can be shown."""
    if request.progress is None:
        return None
    try:
        found = _PROGRESS.decode(request.progress)
    except msgspec.MsgspecError:
        return None
    numbers = {"progress": found.progress, "total": found.total}
    facts: dict[str, Any] = {
        key: value
        for key, value in numbers.items()
        if isinstance(value, int | float) and not isinstance(value, bool)
    }
    if isinstance(found.message, str):
        facts["message"] = said(found.message, LONGEST)
    return facts
