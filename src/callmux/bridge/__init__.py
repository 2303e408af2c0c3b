"""A stdio client in front of a remote listener: what it relays, and how it outlives the listener.

`cli.bridge` wires it: `relay` serves the client, `keeper` keeps a `link` to the listener over `client`.
"""
