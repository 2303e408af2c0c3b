"""Clients over HTTP: Streamable HTTP at /mcp, the older HTTP+SSE at /sse and /messages."""
