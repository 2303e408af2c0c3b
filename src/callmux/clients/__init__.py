"""The configuration files of MCP clients: finding them, reading their servers, entering callmux.

Used by `callmux.cli.client`, `callmux.setup` and `callmux.migrate`. What a text becomes is decided by pure
modules; `detect` looks for files and `changes` alone writes them.
"""
