"""One client: its conversation, its requests in flight, and what its methods lead to.

How it works. `session` is the shell around `callmux.protocol.client_peer`: messages come in by `receive`, and
lines go out by the transport's two functions, one for what the session says by itself and one for what
belongs to a request. `receive` makes a record of each request (`request`), which lasts as long as the session
and not as long as whatever carried it here. The handler may answer at once, give a coroutine, or keep the
record and answer later; `conclude` or `fail` ends it, once. The peer's `in_flight` is the one table of the
requests that are open; who cancels or leaves finds them there. A `Request` is also the way back to its
client for every call that it makes.

What is ugly: `receive` begins a tool call beside the peer, for speed, so that the peer's table and this shell
both know what a greeted client may send. And the session stands in for a request where callmux itself calls a
server, so that it has members (`lasting`, `doing`, `trace`) that only requests need.
"""
