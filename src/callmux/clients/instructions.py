"""What an agent should know about callmux: a page of Markdown for its instructions file. Pure.

Called by `callmux.cli.instructions`. It goes into files that people share, so it holds no path of theirs.
Whatever stands between backticks is checked against this build by `tests/clients/test_instructions.py`:
tools, their fields, members of answers, error codes, commands.
"""

from __future__ import annotations

import re

from callmux.metatools.table import advice
from callmux.router.personas import Persona, named

PROFILES = ("generic", "codex", "claude")
MODES = ("standard", "meta-only", "lean")

_CALLS = """\
- Independent calls: one `callmux_parallel`. Many calls of one tool: one `callmux_batch`. Afterwards \
repeat only what `failedIndexes` names; `ok` and `result` tell how each went.
- Calls that feed each other: one `callmux_pipeline`. It stops at the first failed step: see `status`, \
`failedStep`, and per step `mappedArguments` and `skippedMappings`.
- `$json`, `$json.path` and `$text` belong only into a step's `inputMapping`. Set `onMappingMissing` to \
`fail` on every step that changes something: without its value it must not run.
- Before calls that change things: `callmux_dry_run` with the same arguments. Fix every one of its \
`warnings` first.
- Workflows that this machine has ready: `callmux_status` lists them; `callmux_recipe_dry_run`, then \
`callmux_recipe_run`."""

_PAYLOADS = """\
- Long texts: pass `{"$file": "notes.md"}` for a field that takes a string, `{"$text": {"lines": ["a", \
"b"]}}` for text made of lines. `$jsonFile` and `$yamlFile` only for fields that take objects or lists. \
Through a shared listener this works only where its `fileReferenceRoots` allow it.
- Large tables: `outputFormat` set to `toon` or `auto` costs fewer tokens.
- A result with `_callmux` was shortened. Follow `_callmux.retrieval` with `callmux_get_result`: its \
`ref`, then `path`, `fields` or `search` for the part you need, and `offset` set to the `nextOffset` of \
the page before."""

_SEARCH = """\
- The right tool: `callmux_search_tools` with words of the task; with `includeInputSchema` it can be \
called at once. What is connected, and what is wrong with what is not: `callmux_status`."""

_CONNECTED = "- What is connected, and what is wrong with what is not: `callmux_status`."
"""The same where an index shows the tools."""

_ELSEWHERE = """\
- A tool that your client does not list: `callmux_call` with its name, also for a `callmux_get_result` \
that your client has not loaded.
- Errors say what to do: `tool_not_found` names near tools; with `safeToRetry` the same call may be \
repeated; `server_disabled` is the user's decision. Stale reads: `callmux_cache_clear`.
- A call may wait for a person's approval. After `approval_denied` ask what to do instead; never try the \
same in another way, and never run `callmux approve` yourself: it is for the person."""

_META_ONLY = """\
- Only `callmux_*` tools are listed here. Discover first (`callmux_search_tools` with \
`includeInputSchema`), then call what you found through `callmux_call`, `callmux_parallel`, \
`callmux_batch`, `callmux_pipeline` or a recipe. Never guess a tool's name or arguments."""

_INDEX = """\
- Only `callmux_*` tools are listed here; an index of the others stands in their descriptions. A tool whose \
parameters stand there can be called at once; a call with wrong arguments is answered with the input schema. \
Search (`callmux_search_tools` with words of the task and `includeInputSchema`) only for what the index \
does not show."""

_FEW = """\
- Every tool is called through `callmux_call`, with its name as `tool` and its own `arguments`. Ask for \
calls that do not need each other at once, or make them from your code.
- `safeToRetry` in an error says that the same call may be repeated; `server_disabled` is the user's \
decision."""

_SHELL = """\
- From a shell, through a running listener: `callmux call TOOL '{"id": 5}'`, `callmux tools search TEXT`, \
`callmux tools schema TOOL`. Good for tools you need rarely and for scripts; use MCP for those you need \
often. Exit code 1 is a failed tool, 2 a call that was not made.
- Credentials of servers are in callmux's configuration: never ask for them, never pass them as arguments. \
What you may do is the same on both ways."""

_DIRECTORY = {
    "generic": "- Paths: where your client does not say which folder it works in, give an absolute `cwd` \
beside the `arguments` of a call.",
    "codex": "- Paths: do not rely on workspace folders being known to servers. Give an absolute `cwd` \
beside the `arguments` of every call that reads or writes files.",
    "claude": "- Paths: the folders of the session are passed on. For another folder, a worktree for one, \
give an absolute `cwd` beside the `arguments`.",
}
_CLIENT = {
    "generic": "- Your client may put a prefix of its own before these names; the names inside of \
arguments never have it.",
    "codex": "- The names inside of `arguments`, `calls` and `steps` are those of `callmux_search_tools`, \
without any prefix that Codex puts before its tools. For a call that takes long, set `timeoutMs`, and \
tool_timeout_sec of the entry in config.toml above it.",
    "claude": "- Claude Code lists these tools as mcp__callmux__NAME, and may defer their definitions: \
search for callmux to load them. The names inside of `arguments`, `calls` and `steps` are those of \
`callmux_search_tools`, without that prefix.",
}


def instructions(profile: str = "generic", mode: str = "standard") -> str:
    """The page for an agent.

    Args:
        profile: One of `PROFILES`: which client the agent runs in.
        mode: One of `MODES`: whether servers' own tools are listed beside the meta-tools; in `lean` only what
            such a client is listed is named.
    """
    persona = named(profile) if mode == "lean" else None
    few = persona is not None and persona.basic
    parts = [
        _CALLS,
        *([_META_ONLY] if mode == "meta-only" else []),
        *([_INDEX] if mode == "lean" else []),
        *([_FEW] if few else []),
        _CONNECTED if mode == "lean" else _SEARCH,
        _ELSEWHERE,
        *advice(),
        _PAYLOADS,
        _DIRECTORY[profile],
        _CLIENT[profile],
        _SHELL,
    ]
    lines = [line for part in parts for line in part.splitlines() if _is_for(persona, line)]
    return f"# Using callmux\n\nProfile: {profile}\nMode: {mode}\n\n" + "\n".join(lines) + "\n"


def _is_for(persona: Persona | None, line: str) -> bool:
    """Whether a client is listed every meta-tool that a line names, and those whose arguments it is about."""
    if persona is None:
        return True
    if persona.basic and "inputMapping" in line:
        return False
    return all(persona.lists(tool, proxied=False) for tool in re.findall(r"callmux_[a-z_]+[a-z]", line))
