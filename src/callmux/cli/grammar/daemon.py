"""`callmux daemon`. Pure."""

from __future__ import annotations

from callmux.cli.grammar.shared import DRY_RUN, JSON, YES
from callmux.cli.grammar.terms import Command, Example, Option

_COMMON = (
    Option("--name", "the service's name", "NAME", default="callmux"),
    Option("--user", "a service of your user", default="unless root runs this"),
    Option("--system", "a service of the machine"),
    DRY_RUN,
    YES,
    JSON,
)
_FORCE = Option("--force", "even if callmux did not write the service file; it is kept as .bak")

_INSTALL = Command(
    "daemon install",
    "write the service file of a shared listener",
    options=(
        Option("--port", "where it listens", "PORT", minimum=1, maximum=65535, default="4860"),
        Option("--host", "on which address", "ADDRESS", default="127.0.0.1"),
        Option("--binary", "what runs", "PATH", default="this callmux"),
        Option("--start", "start the service, too"),
        Option("--enable", "start it with each session, or with the machine, too"),
        *_COMMON,
        _FORCE,
    ),
    examples=(
        Example("callmux daemon install --dry-run", "show the file and the commands"),
        Example("callmux daemon install --start --enable --yes", "a listener from now on"),
    ),
    notes=(
        "Servers find their programs on the PATH that you have now. Variables that the configuration"
        " refers to go into ~/.config/callmux/NAME.env (systemd), as KEY=value lines.",
    ),
)


def _simple(verb: str, summary: str, flags: str = "", help: str = "", *more: Option) -> Command:
    example = Example(f"callmux daemon {verb}{flags}", help or "the service named callmux")
    return Command(f"daemon {verb}", summary, options=(*more, *_COMMON), examples=(example,))


COMMANDS = (
    Command(
        "daemon",
        "run the shared listener in the background, by systemd or launchd",
        subcommands=(
            _INSTALL,
            _simple("uninstall", "stop the service and remove its file", " --yes", "without asking", _FORCE),
            _simple("start", "start the service"),
            _simple("stop", "stop the service, once calls in flight have ended"),
            _simple(
                "restart",
                "have a new process take over; under systemd no call is lost",
                "",
                "after an update, for example",
                Option("--anew", "stop it first, so that a changed service file or variable takes effect"),
            ),
            _simple("enable", "start it with each session, or with the machine"),
            _simple("disable", "no longer start it automatically"),
            _simple(
                "status",
                "show the state of the service; exit code 1 if it does not run",
                " --name team",
                "a service with another name",
            ),
            _simple(
                "logs",
                "show the last lines of its log",
                " --follow",
                "until Ctrl-C",
                Option("--follow", "and follow new lines"),
            ),
        ),
    ),
)
