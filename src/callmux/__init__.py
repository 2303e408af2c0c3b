"""callmux: a multiplexer for the Model Context Protocol.

The packages in the order in which a request meets them; imports point down only:

- `cli`        commands; `demo` and `doctor` belong to the commands of these names
- `runtime`    composition root: a configuration becomes wired objects
- `transport`  bytes from and to clients
- `session`    one client's conversation
- `router`     what a request means
- `metatools`  the `callmux_*` tools
- `rings`      what happens around each request and each call
- `upstream`   the servers we call
- `protocol`   what bytes mean, without I/O
- `config`     a file becomes frozen objects

Public names are those in `__all__`; everything else may change.
"""

__version__ = "0.1.0"

__all__ = ["__version__"]
