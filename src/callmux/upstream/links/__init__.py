"""The bytes to and from one server: a child process, streamable HTTP, or legacy SSE."""
