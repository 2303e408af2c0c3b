"""`callmux demo`: one task over two example servers, done call by call and then with meta-tools.

Called by `callmux.cli.demo`. Talks to a real callmux over stdio, as an agent does, and imports nothing of it.
"""
