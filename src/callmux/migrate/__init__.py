"""`callmux migrate`: what callmux for Node left on this machine, and what becomes of it.

Called by `callmux.cli.migrate`. `state` reads files, `plan` says what stays and what changes; files are
written by `callmux.clients.changes`.
"""
