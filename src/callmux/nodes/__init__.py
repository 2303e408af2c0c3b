"""Several listeners as one: who serves a session, and how a request gets there. Only with `state.node`."""
