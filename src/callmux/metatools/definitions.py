"""What clients are shown of each meta-tool, and the shapes that several of these definitions share. Pure.

Called by `callmux.metatools.meta_tool`: a listing needs these words, and none of the code behind them. Every
agent pays for them in every session: names and types say most, descriptions only what they cannot. Least
values that go without saying are left to the error that names the field.
"""

from __future__ import annotations

from typing import Any

MAX_LIMIT = 50
"""Tools that one search finds at most."""
READ_ONLY = {"readOnlyHint": True}

TEXT: dict[str, Any] = {"type": "string"}
OBJECT: dict[str, Any] = {"type": "object"}
TIMEOUT: dict[str, Any] = {"type": "integer"}
OUTPUT_FORMAT: dict[str, Any] = {"type": "string", "enum": ["json", "toon", "auto"]}
"""Each tool takes every format; offered are those that make a difference: definitions cost tokens."""
TEXT_FORMAT: dict[str, Any] = {"type": "string", "enum": ["json", "toon", "auto", "plain", "shortest"]}
"""The same where texts of tools are in an answer of ours."""
DESCRIPTION_LENGTH: dict[str, Any] = {
    "type": "integer",
    "description": "Characters per description; 0 means all",
}


def closed(properties: dict[str, Any], *required: str) -> dict[str, Any]:
    """The schema of an object with these properties and no others."""
    schema: dict[str, Any] = {"type": "object", "properties": properties}
    if required:
        schema["required"] = list(required)
    return schema | {"additionalProperties": False}


def listed(item: dict[str, Any], description: str | None = None) -> dict[str, Any]:
    """The schema of a list of `item`."""
    schema: dict[str, Any] = {"type": "array", "items": item}
    return schema if description is None else schema | {"description": description}


def definition(
    name: str,
    description: str,
    schema: dict[str, Any],
    annotations: dict[str, Any] | None = None,
) -> dict[str, Any]:
    """A tool as `tools/list` shows it."""
    shown = {"name": name, "description": description, "inputSchema": schema}
    return shown if annotations is None else shown | {"annotations": annotations}


CALL = closed({"tool": TEXT, "server": TEXT, "arguments": OBJECT, "timeoutMs": TIMEOUT, "cwd": TEXT}, "tool")
ITEM = closed({"arguments": OBJECT, "timeoutMs": TIMEOUT, "cwd": TEXT}, "arguments")
MAPPING = {"type": "object", "additionalProperties": TEXT}
ON_MISSING = {"type": "string", "enum": ["continue", "fail"]}


def step(mapping_description: str) -> dict[str, Any]:
    """The schema of a pipeline step."""
    mapping = MAPPING | {"description": mapping_description}
    extra = {"inputMapping": mapping, "onMappingMissing": ON_MISSING}
    return closed(CALL["properties"] | extra, "tool")


_ALL = (
    definition(
        "callmux_parallel",
        "Run independent tool calls at once, one answer for all. Prefer it where no call needs another's "
        "result. What failed: failedIndexes.",
        closed({"calls": listed(CALL), "outputFormat": TEXT_FORMAT}, "calls"),
    ),
    definition(
        "callmux_batch",
        "Run one tool over many argument sets at once, one answer for all. Prefer it to repeated calls. What "
        "failed: failedIndexes.",
        closed(
            {
                "tool": TEXT,
                "items": listed(ITEM),
                "server": TEXT,
                "timeoutMs": TIMEOUT,
                "cwd": TEXT,
                "outputFormat": TEXT_FORMAT,
            },
            "tool",
            "items",
        ),
    ),
    definition(
        "callmux_pipeline",
        "Run calls in a chain, each fed from results before it. Stops at the first failure: failedStep, "
        "skippedMappings.",
        closed(
            {
                "steps": listed(
                    step(
                        "Argument name to expression: $text or $json of the previous result, a path such as "
                        '$json.items.0.id or $json["a.b"], an earlier step as $steps[0].json.id; anything '
                        "else is literal"
                    )
                ),
                "outputFormat": TEXT_FORMAT,
            },
            "steps",
        ),
    ),
    definition(
        "callmux_search_tools",
        "Find tools of the connected servers by words of the task. Start here when the tool you need is not "
        "listed, then use callmux_call.",
        closed(
            {
                "query": {"type": "string", "description": "Words of the task or tool; empty lists all"},
                "server": TEXT,
                "includeInputSchema": {"type": "boolean"},
                "limit": {"type": "integer", "minimum": 1, "maximum": MAX_LIMIT, "description": "Default 10"},
                "descriptionMaxLength": DESCRIPTION_LENGTH,
                "outputFormat": OUTPUT_FORMAT,
            }
        ),
        READ_ONLY,
    ),
    definition(
        "callmux_get_result",
        "Read more of a shortened result by its _callmux.ref: a page, a path, items or lines with a text, "
        "some fields.",
        closed(
            {
                "ref": TEXT,
                "path": {"type": "string", "description": 'As data.items[0] or labels["a.b"]'},
                "offset": {"type": "integer", "description": "The nextOffset of the page before"},
                "limit": {"type": "integer", "maximum": 100, "description": "Default 50"},
                "fields": listed(TEXT, "Keys to keep of each item"),
                "search": TEXT,
                "outputFormat": TEXT_FORMAT,
            },
            "ref",
        ),
        READ_ONLY,
    ),
    definition(
        "callmux_call",
        "Call one tool, listed or not, and get its result unchanged; callmux_search_tools finds names. Also "
        "takes other callmux_ tools.",
        closed(
            {
                "tool": {"type": "string", "description": "server__tool, or the bare name beside server"},
                "server": TEXT,
                "arguments": OBJECT,
                "timeoutMs": TIMEOUT,
                "cwd": {"type": "string", "description": "Absolute directory to run in, for stdio servers"},
                "forceReconnect": {"type": "boolean", "description": "Do not wait for the reconnect delay"},
                "outputFormat": OUTPUT_FORMAT,
            },
            "tool",
        ),
    ),
    definition(
        "callmux_dry_run",
        "Check a call, parallel, batch or pipeline (the mode, where arguments do not tell), calling nothing: "
        "names, final arguments, problems. Takes the arguments of the tool it checks.",
        closed(
            {
                "mode": TEXT,
                "tool": TEXT,
                "server": TEXT,
                "arguments": OBJECT,
                "timeoutMs": TIMEOUT,
                "cwd": TEXT,
                # Entries as in callmux_parallel, _batch and _pipeline, which say what is in them.
                "calls": listed(OBJECT),
                "items": listed(OBJECT),
                "steps": listed(OBJECT),
                "outputFormat": OUTPUT_FORMAT,
            }
        ),
        READ_ONLY,
    ),
    definition(
        "callmux_recipe_run",
        "Run a workflow that the configuration names; arguments fill its parameters. "
        "callmux_status lists them.",
        closed({"recipe": TEXT, "arguments": OBJECT, "outputFormat": TEXT_FORMAT}, "recipe"),
    ),
    definition(
        "callmux_recipe_dry_run",
        "Check what a recipe would do, calling nothing.",
        closed({"recipe": TEXT, "arguments": OBJECT, "outputFormat": OUTPUT_FORMAT}, "recipe"),
        READ_ONLY,
    ),
    definition(
        "callmux_cache_clear",
        "Forget cached results: all, or those of a tool (or pattern with *), a server, or both.",
        closed({"tool": TEXT, "server": TEXT}),
        {"destructiveHint": False, "idempotentHint": True},
    ),
    definition(
        "callmux_status",
        "Health: servers and their tools, failures, recipes, cache, limits. For when calls fail.",
        closed(
            {
                "server": TEXT,
                "descriptions": {"type": "boolean", "description": "Show the tools' descriptions"},
                "descriptionMaxLength": DESCRIPTION_LENGTH,
                "recommendations": {"type": "boolean", "description": "Default true"},
                "sessions": {"type": "boolean", "description": "Show the sessions of a shared listener"},
                "outputFormat": OUTPUT_FORMAT,
            }
        ),
        READ_ONLY,
    ),
)
DEFINITIONS: dict[str, dict[str, Any]] = {shown["name"]: shown for shown in _ALL}
"""By name, as `tools/list` shows them."""
