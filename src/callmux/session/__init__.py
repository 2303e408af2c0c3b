"""One client: its conversation, its requests in flight, and what its methods lead to."""
