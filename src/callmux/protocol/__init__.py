"""What bytes mean: JSON-RPC, framing, MCP revisions and the two peers. No event loop, socket, file or clock.

Called by every package above it; imports only the single files at the top of `callmux`.
"""
