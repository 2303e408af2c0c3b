"""`callmux skill`. Pure."""

from __future__ import annotations

from callmux.cli.grammar.terms import Argument, Command, Example, Option

COMMANDS = (
    Command(
        "skill",
        "write a short SKILL.md for agents that call tools from a shell",
        arguments=(Argument("FOLDER", "the folder of skills; .claude/skills where absent", required=False),),
        options=(
            Option("--print", "print it instead of writing it"),
            Option("--force", "replace a file that says something else; it is kept as .bak"),
        ),
        examples=(
            Example("callmux skill", "for the project in this directory"),
            Example("callmux skill ~/.claude/skills", "for all projects"),
            Example("callmux skill --print >> AGENTS.md", "for a client that has no skills"),
        ),
    ),
)
