"""`callmux instructions`. Pure."""

from __future__ import annotations

from callmux.cli.grammar.terms import Command, Example, Option

COMMANDS = (
    Command(
        "instructions",
        "print what an agent should know about callmux, for its instructions file",
        options=(
            Option(
                "--profile",
                "the client that the agent runs in",
                "CLIENT",
                choices=("generic", "codex", "claude"),
                default="generic",
            ),
            Option(
                "--mode",
                "whether the servers' own tools are listed beside the callmux_* tools; lean for that preset",
                "MODE",
                choices=("standard", "meta-only", "lean"),
                default="standard",
            ),
            Option("--format", "how it is written", "FORMAT", choices=("markdown",), default="markdown"),
        ),
        examples=(
            Example("callmux instructions --profile claude >> CLAUDE.md", "for Claude Code"),
            Example("callmux instructions --profile codex --mode meta-only >> AGENTS.md", "for Codex"),
        ),
    ),
)
