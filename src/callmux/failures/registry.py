"""All failures by id, and the sentences that are made from them. Pure.

Called by `callmux.cli.explain` and where an error is raised whose next step stands in its row.
"""

from __future__ import annotations

from collections.abc import Mapping

from callmux.failures import calls, commands, http, servers
from callmux.failures.terms import KnownFailure

SECTIONS: dict[str, tuple[KnownFailure, ...]] = {
    "Calls": calls.FAILURES,
    "Servers": servers.FAILURES,
    "Answers of a listener": http.FAILURES,
    "Commands": commands.FAILURES,
}
"""Every failure, once, under the headings of docs/errors.md."""

DETAILS: dict[str, str] = dict.fromkeys(
    (
        "authorization_ambiguous",
        "authorization_ambiguous_target",
        "authorization_default_deny",
        "authorization_principal_missing",
        "authorization_profile",
    ),
    "authorization_denied",
)
"""The failure that a `details.code` belongs to."""

ALL: dict[str, KnownFailure] = {failure.id: failure for failures in SECTIONS.values() for failure in failures}


def find(id: str) -> KnownFailure | None:
    """The failure of an id. `http_404` may be written `404`; the state of a server without `server_`; what
    `details.code` says more closely means the failure itself."""
    name = id.strip().lower()
    name = DETAILS.get(name, name)
    return ALL.get(name) or ALL.get(f"http_{name}") or ALL.get(f"server_{name}")


def of_state(state: str) -> KnownFailure | None:
    """The failure that the state of a server stands for; None where it is none."""
    return ALL.get(f"server_{state}")


def filled(template: str, details: Mapping[str, object]) -> str:
    """A step or a command with the details of an error in it; a detail that is not given becomes capitals,
    such as `SERVER`."""
    return template.format_map(_Names(details))


def next_step(failure: KnownFailure, details: Mapping[str, object]) -> str:
    """The next step and its command as one clause: `switch the server on: callmux server enable x`."""
    step = filled(failure.step, details)
    return f"{step}: {filled(failure.command, details)}" if failure.command else step


def message(id: str, what: str, details: Mapping[str, object]) -> str:
    """The message of an error: what happened here, and the next step of its row.

    Args:
        what: A clause or sentence without a full stop.
    """
    return f"{what}. To go on, {next_step(ALL[id], details)}"


class _Names(dict[str, object]):
    def __missing__(self, key: str) -> str:
        return key.upper()
