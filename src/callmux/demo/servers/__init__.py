"""Two small MCP servers, real child processes: `python -m callmux.demo.servers.tracker` and `.notes`.

Standard library only. They are examples of what people put behind callmux, so they know nothing of it.
"""
