"""The text of `callmux --help`. Printed by `callmux.cli.main`."""

from callmux.cli.main import COMMANDS, LATER

_COMMANDS = "\n".join(f"  {name:<12}{line}" for name, line in COMMANDS.items())

TEXT = f"""\
callmux: one process between any MCP client and many MCP servers

Run it (an MCP client starts this; it speaks MCP on stdin and stdout):
  callmux                              with the default configuration
  callmux --config PATH                with this configuration
  callmux [options] -- COMMAND [ARG…]  in front of one server

Commands:
{_COMMANDS}

Not in this version yet: {", ".join(LATER)}, --listen.

Options for one server (before the --):
  --tools A,B                 expose only these tools
  --env KEY=VALUE             a variable for the server; repeatable
  --concurrency N             calls at a time (20)
  --connect-timeout MS        for connecting and for listing tools (30000)
  --call-timeout MS           for each call (180000)
  --cache SECONDS             keep results of read-only tools (0: do not)
  --cache-allow A,B           cache these, whatever they say of themselves
  --cache-deny A,B            never cache these
  --cache-max-entries N       results kept (1000)
  --output-format FORMAT      json, toon or auto
  --description-max-length N  cut descriptions in search and status
  --meta-only                 list only the callmux_* tools
  --strict-startup            end if the server cannot be started

Where the configuration comes from, first match: --config, the command after --, $CALLMUX_CONFIG,
~/.config/callmux/config.json.

The callmux_* tools: callmux_parallel, callmux_batch, callmux_pipeline, callmux_search_tools,
callmux_get_result, callmux_call, callmux_dry_run, callmux_recipe_run, callmux_recipe_dry_run,
callmux_cache_clear, callmux_status.

A configuration:
  {{"servers": {{"files": {{"command": "npx", "args": ["-y", "@modelcontextprotocol/server-memory"]}},
               "time": {{"command": "uvx", "args": ["mcp-server-time"]}}}}}}

Options everywhere: --help, -h, --version, -v."""
