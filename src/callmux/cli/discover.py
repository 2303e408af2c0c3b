"""`callmux discover`: the MCP servers that all clients have. Starts nothing and changes nothing.

Called by `callmux.cli.main`.
"""

from __future__ import annotations

import shutil

from callmux.cli.console import print_json, print_lines
from callmux.cli.grammar.discover import COMMANDS
from callmux.cli.own_entry import this_machine
from callmux.cli.parsing import read
from callmux.setup.inventory import inventory, inventory_lines
from callmux.setup.scene import chosen_clients, look

WIDTH = 80


def run(args: list[str], config_option: str | None) -> int:
    """Gives the exit code."""
    given = read(COMMANDS[0], args)
    scene = look(this_machine(), config_option, with_project=not given.on("--no-project"))
    receivers = chosen_clients("all", scene)
    servers = inventory(scene, receivers)
    if given.on("--json"):
        print_json({"servers": servers, "clients": receivers, "problems": list(scene.problems)})
        return 0
    columns = shutil.get_terminal_size((WIDTH, 24)).columns
    print_lines(inventory_lines(servers, scene.problems, columns))
    return 0
