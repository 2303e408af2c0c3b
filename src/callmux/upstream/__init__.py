"""The MCP servers we call: their connections, their states, and one catalogue of all their tools."""
