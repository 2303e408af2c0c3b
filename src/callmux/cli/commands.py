"""Every command by its first word. Pure.

Used by `callmux.cli.main`, which runs them, and by `callmux.cli.help` and `callmux.cli.grammar.table`, which
describe them.
"""

from __future__ import annotations

COMMANDS = {
    "approve": "approve",
    "batch": "call",
    "bridge": "bridge",
    "call": "call",
    "client": "client",
    "completion": "completion",
    "config": "config",
    "daemon": "daemon",
    "dashboard": "dashboard",
    "demo": "demo",
    "discover": "discover",
    "doctor": "doctor",
    "explain": "explain",
    "help": "help",
    "init": "init",
    "instructions": "instructions",
    "list": "list",
    "login": "login",
    "logout": "logout",
    "migrate": "migrate",
    "parallel": "call",
    "pipeline": "call",
    "ps": "ps",
    "secret": "secret",
    "server": "server",
    "setup": "setup",
    "skill": "skill",
    "token": "token",
    "tools": "tools",
    "top": "top",
}
"""Every command, and the module of `callmux.cli` that has it; `callmux.cli.grammar` has one of the same name,
which says what the command takes. What runs it is called `run`, or like the command where it shares a
module with another."""
