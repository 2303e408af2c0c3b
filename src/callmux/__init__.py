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

- `library`    callmux in programs: `Listener`, `Gateway`, `ManagementClient`, the facts they tell

Public names are those in `__all__`; everything else may change. All but the version are loaded when they are
first used, so that importing callmux costs nothing.
"""

__version__ = "0.1.0"

_PLACES = {
    "CallmuxError": "callmux.errors",
    "FactStream": "callmux.library.subscribers",
    "Gateway": "callmux.library.gateway",
    "Listener": "callmux.library.listener",
    "ManagementClient": "callmux.management.client",
    "ToolResult": "callmux.library.gateway",
    "facts": "callmux.observe.facts",
}

__all__ = ["__version__", *_PLACES]


def __getattr__(name: str) -> object:
    """Loads a public name when it is first used."""
    if name not in _PLACES:
        raise AttributeError(f"module 'callmux' has no attribute {name!r}")
    from importlib import import_module

    module = import_module(_PLACES[name])
    found: object = module if name == "facts" else getattr(module, name)
    globals()[name] = found
    return found
