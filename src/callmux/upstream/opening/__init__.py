"""How a connection comes to be: attempts, when the next one is due, and what a new connection is told."""
