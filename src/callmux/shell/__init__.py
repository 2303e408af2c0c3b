"""Tools of a running listener, from a shell: one short MCP session for each command.

Called by `callmux.cli.call` and `callmux.cli.tools`. A script starts one process for every call, so what is
imported here counts: `http.client` and `json` of the standard library, and nothing else of weight.
"""
