"""`callmux server`. Pure."""

from __future__ import annotations

from callmux.cli.grammar.shared import JSON
from callmux.cli.grammar.terms import Argument, Command, Example, Option

_NAME = Argument("NAME", "the server's key in the configuration")

_LISTENER = Option("--listener", "do this at a running listener, over its management interface", "URL")
_REMOTE = (
    _LISTENER,
    Option("--token-file", "its token, where CALLMUX_MANAGEMENT_TOKEN is not to be used", "FILE"),
)
_ELSEWHERE = (*_REMOTE, Option("--url", "the same as --listener", "URL"))
_ORDERED = (
    *_ELSEWHERE,
    Option("--node", "with --url, where several listeners are one: only at this node", "NODE"),
)
_OVER_NODES = "Where several listeners are one (state.node), it concerns all of them."

_ENTRY = (
    Option("--tools", "expose only these tools; an empty list exposes none", "A,B"),
    Option("--env", "a variable for the process", "KEY=VALUE", repeat=True),
    Option(
        "--env-ref",
        "a variable whose value is looked up at each start: env:NAME, file:PATH, keyring:NAME or cmd:COMMAND",
        "KEY=REFERENCE",
        repeat=True,
    ),
    Option("--cwd", "the working directory of the process", "DIR"),
    Option(
        "--cwd-mode",
        "one process for each client directory, or one for all",
        "MODE",
        choices=("session", "global"),
    ),
    Option("--cache-allow", "tools whose results may be cached", "A,B"),
    Option("--cache-deny", "tools whose results may not be cached", "A,B"),
    Option("--call-timeout", "time for one call", "MS", minimum=1),
    Option("--request-body-max-bytes", "largest HTTP request that may target it; 0 for any", "N", minimum=0),
    Option("--concurrency", "calls at a time", "N", minimum=1),
    Option("--prefix", "the text before __ in its tools' names; empty for none", "TEXT"),
    Option("--url", "the endpoint of a server that runs elsewhere", "URL"),
    Option("--transport", "the transport of the server at --url", "KIND", choices=("streamable-http", "sse")),
    Option("--header", "a header for the endpoint", "NAME:VALUE", repeat=True),
    Option("--forward-header", "a header of the client's request to pass on", "NAME", repeat=True),
)

_ADD = Command(
    "server add",
    "add a server to the configuration",
    arguments=(
        _NAME,
        Argument("URL|JSON", "its address, or its JSON entry as other programs write it", required=False),
    ),
    options=(
        *_ENTRY,
        Option("--disabled", "do not connect to it yet"),
        Option("--yes", "replace a server of that name without asking"),
        Option("--no-probe", "do not start it to choose its tools, on a terminal"),
        *_REMOTE,
        JSON,
    ),
    rest="COMMAND [ARG...]",
    examples=(
        Example("callmux server add memory -- npx -y @modelcontextprotocol/server-memory", "a local server"),
        Example(
            "callmux server add gh --env-ref TOKEN=env:GH_TOKEN --tools get_issue -- gh-mcp stdio",
            "a variable that is looked up, and one tool only",
        ),
        Example("callmux server add docs https://docs.example/mcp", "a remote server"),
        Example(
            'callmux server add git \'{"command": "uvx", "args": ["mcp-server-git"]}\'',
            "an entry as a server's own page shows it",
        ),
    ),
    notes=(
        "On a terminal, and without --tools, --json and --no-probe, the server is started and you choose"
        " the tools that agents get.",
        "If there is a server of that name, the command asks on a terminal. Without a terminal it"
        " replaces the server and prints the old entry. The old file is kept as .bak, older"
        " ones as .bak.1, .bak.2 and so on.",
    ),
)

_SET = Command(
    "server set",
    "change a server of the configuration",
    arguments=(_NAME,),
    options=(
        *_ENTRY,
        Option("--add-tool", "add a tool to the whitelist", "TOOL", repeat=True),
        Option("--remove-tool", "remove a tool from the whitelist", "TOOL", repeat=True),
        Option("--clear-tools", "no whitelist: expose all tools"),
        Option("--deny-tool", "switch a tool off, for everybody", "TOOL", repeat=True),
        Option("--allow-tool", "switch it on again", "TOOL", repeat=True),
        Option("--remove-env", "remove a variable or reference", "KEY", repeat=True),
        Option("--clear-env", "remove all variables and references first"),
        Option("--clear-cwd", "remove its working directory"),
        Option("--clear-cache-policy", "remove both lists first"),
        Option("--clear-call-timeout", "use the global time-out again"),
        Option("--clear-request-body-max-bytes", "use the global limit again"),
        Option("--remove-header", "remove a header", "NAME", repeat=True),
        Option("--disable", "switch the server off"),
        Option("--enable", "switch the server on again"),
        *_REMOTE,
        JSON,
    ),
    rest="COMMAND [ARG...]",
    examples=(
        Example("callmux server set gh --add-tool list_issues", "one more tool"),
        Example("callmux server set gh -- gh-mcp stdio --verbose", "another command, the rest stays"),
        Example("callmux server set gh --deny-tool delete_repo", "switch one tool off"),
        Example("callmux server set gh --disable", "switch the server off"),
    ),
    notes=(
        "Only what is named changes: other keys, comments and the layout of the file stay. A running"
        " callmux applies the change by itself.",
    ),
    aliases=("edit",),
)

_REMOVE = Command(
    "server remove",
    "take a server out of the configuration",
    arguments=(_NAME,),
    options=(*_ELSEWHERE, JSON),
    examples=(
        Example("callmux server remove gh", "the old file is kept as .bak"),
        Example(
            "callmux server remove gh --url http://127.0.0.1:4860",
            "at a running listener, over its management interface",
        ),
    ),
)

_NAMES = Argument("NAME", "the server's key in the configuration", repeat=True)

_ENABLE = Command(
    "server enable",
    "switch a server on again",
    arguments=(_NAMES,),
    options=(*_ELSEWHERE, JSON),
    examples=(Example("callmux server enable gh", "a running callmux connects to it by itself"),),
)

_DISABLE = Command(
    "server disable",
    "switch a server off, and keep it in the configuration",
    arguments=(_NAMES,),
    options=(*_ELSEWHERE, JSON),
    examples=(Example("callmux server disable gh docs", "agents do not see their tools any more"),),
)

_RENAME = Command(
    "server rename",
    "give a server another name",
    arguments=(_NAME, Argument("NEW", "its new name")),
    options=(JSON,),
    examples=(Example("callmux server rename gh github", "its tools are called github__... now"),),
    notes=(
        "The names of its tools begin with the new name, unless it has a prefix. Other places of the"
        " configuration that name the server are listed; they are not changed.",
    ),
)

_LOGS = Command(
    "server logs",
    "show what a server wrote to stderr, in every callmux that runs with the configuration",
    arguments=(_NAME,),
    options=(
        Option("--follow", "follow new lines, until Ctrl-C; -f for short", aliases=("-f",)),
        Option("--lines", "how many earlier lines to show", "N", minimum=0, default="100"),
    ),
    examples=(
        Example("callmux server logs gh", "its last lines"),
        Example("callmux server logs gh --follow", "and what follows"),
    ),
    notes=(
        "Each callmux keeps the last 500 lines of each server, without secrets. Exit code 1 if no"
        " callmux runs with the configuration.",
    ),
)

_RESTART = Command(
    "server restart",
    "restart a server in every callmux that runs with the configuration",
    arguments=(_NAME,),
    options=(*_ORDERED, JSON),
    examples=(
        Example("callmux server restart mine", "sessions go on, and so do calls in flight"),
        Example("callmux server restart mine --config ./callmux.json", "the processes of another file"),
        Example("callmux server restart mine --url https://tools.example", "at a listener elsewhere"),
        Example("callmux server restart mine --url https://tools.example --node n2", "at one of its nodes"),
    ),
    notes=(
        "Calls in flight finish on the old process, new ones wait for the new one; agents are told"
        " only if its tools have changed. Exit code 1 if nothing runs or the server does not"
        " come up again. The key watch of a server does the same whenever its files change.",
        _OVER_NODES,
    ),
)

_STOP = Command(
    "server stop",
    "stop a server in every callmux that runs with the configuration, until somebody needs it",
    arguments=(_NAME,),
    options=(*_ORDERED, JSON),
    examples=(Example("callmux server stop mine", "its tools stay listed, and its next call starts it"),),
    notes=("Calls in flight finish first. Exit code 1 if nothing runs.", _OVER_NODES),
)

_START = Command(
    "server start",
    "start a server that sleeps or is down, in every callmux that runs with the configuration",
    arguments=(_NAME,),
    options=(*_ORDERED, JSON),
    examples=(Example("callmux server start mine", "before its first call"),),
    notes=("Exit code 1 if nothing runs, or the server does not come up.", _OVER_NODES),
)

_TEST = Command(
    "server test",
    "start a server, list its tools, stop it",
    arguments=(Argument("NAME", "the server's key in the configuration", required=False),),
    options=(
        Option("--all", "test every server that is not disabled"),
        Option("--tool", "check that this tool is exposed, too", "TOOL"),
        JSON,
    ),
    examples=(
        Example("callmux server test gh --tool get_issue", "exit code 1 if it does not work"),
        Example("callmux server test --all --json", "every server, for a script"),
    ),
)

_LIST = Command(
    "server list",
    "show the configured servers, without their secrets, and their state in every running callmux",
    options=(*_ELSEWHERE, JSON),
    examples=(Example("callmux server list", "every server, as it is configured, and its state"),),
)

COMMANDS = (
    Command(
        "server",
        "the servers of the configuration",
        subcommands=(
            _ADD,
            _SET,
            _REMOVE,
            _ENABLE,
            _DISABLE,
            _RENAME,
            _TEST,
            _RESTART,
            _STOP,
            _START,
            _LOGS,
            _LIST,
        ),
    ),
)
