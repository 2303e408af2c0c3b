from callmux.errors import CallmuxError as CallmuxError
from callmux.library.gateway import Gateway as Gateway
from callmux.library.gateway import ToolResult as ToolResult
from callmux.library.listener import Listener as Listener
from callmux.library.subscribers import FactStream as FactStream
from callmux.management.client import ManagementClient as ManagementClient
from callmux.observe import facts as facts

__version__: str

__all__ = [
    "CallmuxError",
    "FactStream",
    "Gateway",
    "Listener",
    "ManagementClient",
    "ToolResult",
    "__version__",
    "facts",
]
