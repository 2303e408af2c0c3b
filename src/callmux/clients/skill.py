"""A skill for agents that have a shell: a short `SKILL.md` about calling tools through callmux there. Pure.

Called by `callmux.cli.skill`. A client shows its model the two lines at the top and reads the rest when the
task needs it. It goes into files that people share, so it holds no path and no address of theirs.
"""

from __future__ import annotations

NAME = "callmux"

DESCRIPTION = (
    "Call tools of MCP servers from the shell, through callmux: search tools, read their schemas, make one"
    " call or many, chain calls, keep large results out of the conversation. Use it where a task needs"
    " issues, files, databases, browsers or other services that MCP servers give."
)

_BODY = """\
# Tools of MCP servers, from the shell

1. Find: `callmux tools search issue` (`callmux tools list` names all of them).
2. Read what it takes: `callmux tools schema NAME`.
3. Call, arguments as one JSON object:
   - one: `callmux call NAME '{"id": 5}'`
   - independent ones: `callmux parallel 'NAME {"id": 5}' 'OTHER {"text": "crash"}'`
   - one tool, many arguments: `callmux batch 'NAME {"id": 5}' 'NAME {"id": 6}'`
   - one after the other: `callmux pipeline 'NAME {"id": 5}' OTHER`; to feed results on, \
`--file` with `{"steps": [{"tool": "NAME"}, {"tool": "OTHER", "inputMapping": {"text": "$json.title"}}]}`

- Long arguments: `callmux call NAME --file arguments.json`, or `-` in place of the JSON for stdin.
- Keep what comes back small: `--field labels[0].name` prints one value, `--raw` the text as it stands, \
and everything else goes through `jq`, `grep` or a file, and not through the conversation.
- Exit code 0: done. 1: a tool failed, or there is none of that name: see its message. 2: the call \
was not made, or nobody knows: look before you repeat it.
- Nothing answers: callmux is not running as a listener. Ask the user; `callmux doctor` says what is wrong.
- A call may wait for a person's approval. Never run `callmux approve` yourself.
"""


def skill() -> str:
    """The text of the file."""
    return f"---\nname: {NAME}\ndescription: {DESCRIPTION}\n---\n\n{_BODY}"
