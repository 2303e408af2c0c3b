"""`callmux setup`: moves MCP servers behind callmux. Everything but the dialogue.

Called by `callmux.cli.setup`. `found` reads the servers of clients' files, `servers` turns one into an entry
of our configuration, `plan` says which files become what; `probing` asks servers for their tools. Files are
written by `callmux.clients.changes`.
"""
