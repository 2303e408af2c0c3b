"""`callmux call`, `parallel`, `batch` and `pipeline`. Pure."""

from __future__ import annotations

from callmux.cli.grammar.shared import DIRECT_NOTE, REACHING, SERVER, TOKEN_NOTE
from callmux.cli.grammar.terms import Argument, Command, Example, Option

_FILE = Option("--file", "read the arguments, a JSON object, from a file; - for stdin", "PATH")
_OUTPUT = (
    Option(
        "--output-format",
        "print in this format, on a terminal too",
        "FORMAT",
        choices=("json", "toon", "auto", "plain", "shortest"),
        default="json; text on a terminal",
    ),
    Option("--json", "the same as --output-format json"),
    Option("--raw", "print a tool's text as it stands; the message of a failed tool goes to stderr"),
    Option("--field", "print only what stands at this place of the result", "PATH"),
    Option("--full", "print the whole result of the tool, also content that is not text"),
)
_OPTIONS = (_FILE, *_OUTPUT, *REACHING, SERVER)
_STREAMS = (
    "In a pipe the result is JSON on stdout, also if the tool failed. On a terminal it is text, and"
    " the message of a failed tool goes to stderr."
)
_CALLS = Argument("CALL", "'TOOL JSON' or TOOL, as one word", required=False, repeat=True)

COMMANDS = (
    Command(
        "call",
        "call a tool",
        arguments=(
            Argument("TOOL", "its name, as callmux tools list shows it"),
            Argument("JSON", "its arguments, a JSON object; - reads them from stdin", required=False),
        ),
        options=_OPTIONS,
        examples=(
            Example("callmux call get_issue '{\"id\": 5}'", "one call, its result as JSON"),
            Example("callmux call create_issue --file issue.json", "long arguments"),
            Example("jq -n '{id: 5}' | callmux call get_issue - --raw", "from a pipe, text as it stands"),
            Example("callmux call get_issue '{\"id\": 5}' --field labels[0].name", "one value of the result"),
            Example("callmux call callmux_status", "what is connected"),
            Example(
                "callmux call get_current_time '{\"timezone\": \"UTC\"}' --stdio 'uvx mcp-server-time'",
                "without a listener: a server that is started for this call",
            ),
        ),
        notes=(_STREAMS, DIRECT_NOTE, TOKEN_NOTE),
        usage_exit=2,
    ),
    Command(
        "parallel",
        "call several tools at once",
        arguments=(_CALLS,),
        options=_OPTIONS,
        examples=(
            Example('callmux parallel \'get_issue {"id": 1}\' \'get_user {"name": "al"}\'', "two calls"),
            Example("callmux parallel --file calls.json", "the whole arguments of callmux_parallel"),
        ),
        notes=("Exit code 1 if any of the calls failed.", _STREAMS),
        usage_exit=2,
    ),
    Command(
        "batch",
        "call one tool several times",
        arguments=(_CALLS,),
        options=_OPTIONS,
        examples=(
            Example("callmux batch 'get_issue {\"id\": 1}' 'get_issue {\"id\": 2}'", "two calls of a tool"),
            Example("callmux batch --file items.json", "the whole arguments of callmux_batch"),
        ),
        notes=("Exit code 1 if any of the calls failed.", _STREAMS),
        usage_exit=2,
    ),
    Command(
        "pipeline",
        "call tools one after the other, each with the result of the one before",
        arguments=(_CALLS,),
        options=_OPTIONS,
        examples=(
            Example('callmux pipeline \'find_issue {"text": "crash"}\' list_users', "two steps"),
            Example("callmux pipeline --file steps.json", "the whole arguments, with inputMapping"),
        ),
        notes=(
            "Exit code 1 if a tool failed, 2 if a step could not be made, for example because its"
            " mapping found nothing.",
            _STREAMS,
        ),
        usage_exit=2,
    ),
)
