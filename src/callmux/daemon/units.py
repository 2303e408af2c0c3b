"""The service files: a systemd unit, a launchd property list. Pure.

Made for `callmux.daemon.plan`. Both carry a mark by which we know our own files again.
"""

from __future__ import annotations

import plistlib
import re
from collections.abc import Mapping, Sequence
from typing import Literal

from callmux.errors import UsageError

MARK = "callmux-managed-daemon"
DESCRIPTION = "callmux shared MCP listener"
Scope = Literal["user", "system"]

_CONTROL = re.compile(r"[\x00-\x1f\x7f]")


def is_managed(text: str) -> bool:
    """Whether a service file is one that we wrote."""
    return re.search(rf"^\s*(?:# {MARK}|<!-- {MARK} -->)\s*$", text, re.MULTILINE) is not None


def systemd_unit(command: Sequence[str], scope: Scope, path: str | None, variables: str) -> str:
    """The text of a unit.

    Started when it says so itself (`Type=notify`); a reload hands the port over to a new process, which then
    is the main one (`NotifyAccess=all`). Only the main process gets SIGTERM, so that calls in flight end
    before their servers do.

    Args:
        command: Program and arguments.
        scope: Whose service it is.
        path: Where servers' programs are found: `PATH`; None for the service manager's own.
        variables: A file with variables for it, which need not be there.

    Raises:
        UsageError: A word cannot stand in a unit.
    """
    program, *arguments = command
    start = " ".join([_quoted(program, dollars=False), *(_quoted(word) for word in arguments)])
    environment = (
        [] if path is None else [f"Environment={_quoted(f'PATH={path}', dollars=False, always=True)}"]
    )
    lines = [
        f"# {MARK}",
        "[Unit]",
        f"Description={DESCRIPTION}",
        "After=network.target",
        "StartLimitIntervalSec=120",
        "StartLimitBurst=10",
        "",
        "[Service]",
        "Type=notify",
        "NotifyAccess=all",
        f"ExecStart={start}",
        "ExecReload=/bin/kill -USR2 $MAINPID",
        *environment,
        f"EnvironmentFile=-{_specifiers(_plain(variables))}",
        "Restart=on-failure",
        "RestartSec=2",
        "TimeoutStartSec=180",
        "TimeoutStopSec=30",
        "KillMode=mixed",
        "",
        "[Install]",
        f"WantedBy={'default.target' if scope == 'user' else 'multi-user.target'}",
    ]
    return "\n".join(lines) + "\n"


def _quoted(word: str, *, dollars: bool = True, always: bool = False) -> str:
    """A word of a command line; `%` and, but for the program, `$` have a meaning to systemd.

    Numbers and flags stay bare, as people write them.
    """
    text = _specifiers(_plain(word))
    if dollars:
        text = text.replace("$", "$$")
    if not always and re.fullmatch(r"-{1,2}[a-z][a-z-]*|[0-9]+", text):
        return text
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def _specifiers(text: str) -> str:
    return text.replace("%", "%%")


def _plain(text: str) -> str:
    if _CONTROL.search(text):
        raise UsageError(f"{text!r} holds a control character, so no service can be made of it")
    return text


def launchd_plist(label: str, command: Sequence[str], variables: Mapping[str, str], logs: str) -> str:
    """The text of a property list.

    It is started again after a failure only, so that stopping it lasts.

    Args:
        label: What launchd calls it.
        command: Program and arguments.
        variables: Its environment.
        logs: The path of its logs, without `.log` and `.err.log`.

    Raises:
        UsageError: A word cannot stand in it.
    """
    for word in (*command, *variables.values(), logs):
        _plain(word)
    facts = {
        "Label": label,
        "ProgramArguments": list(command),
        "EnvironmentVariables": dict(variables),
        "RunAtLoad": True,
        "KeepAlive": {"SuccessfulExit": False},
        "ExitTimeOut": 30,
        "StandardOutPath": f"{logs}.log",
        "StandardErrorPath": f"{logs}.err.log",
    }
    if not variables:
        del facts["EnvironmentVariables"]
    text = plistlib.dumps(facts, sort_keys=False).decode()
    return text.replace("<dict>\n", f"<dict>\n\t<!-- {MARK} -->\n", 1)
