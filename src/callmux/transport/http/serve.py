"""Runs the HTTP application: binds, serves, stops without losing a request.

Called by `callmux.cli.listen`. The server is uvicorn; its protocol is `callmux.transport.http.direct`.
"""

from __future__ import annotations

import asyncio
import logging
import socket
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any, TypeAlias

from callmux.tasks import at_once, unbroken

if TYPE_CHECKING:
    import ssl

    import uvicorn

    from callmux.transport.http.exchange import Receive, Scope, Send
    from callmux.transport.http.narrow import NarrowProtocol

Asked: TypeAlias = "Callable[[Scope, Receive, Send], Awaitable[None]]"

KEEP_ALIVE_SECONDS = 75
BACKLOG = 2048


def bind(host: str, port: int) -> socket.socket:
    """A listening socket.

    Raises:
        OSError: The address is not ours, or taken.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listening = socket.socket(family, socket.SOCK_STREAM)
    try:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind((host, port))
        listening.listen(BACKLOG)
        listening.setblocking(False)
    except OSError:
        listening.close()
        raise
    return listening


def uvicorn_config(app: Asked, protocol: type[NarrowProtocol] | None = None) -> uvicorn.Config:
    """How uvicorn serves the application, each connection by `protocol`; by the direct one where absent."""
    # uvicorn takes long to import: a listener binds its port and starts its servers before.
    import uvicorn

    from callmux.transport.http.direct import DirectProtocol

    config = uvicorn.Config(
        app,
        http=protocol or DirectProtocol,
        ws="none",
        lifespan="off",
        interface="asgi3",
        access_log=False,
        log_config=None,
        proxy_headers=False,
        server_header=False,
        timeout_keep_alive=KEEP_ALIVE_SECONDS,
        timeout_graceful_shutdown=1,
    )
    config.load()
    return config


class HttpServer:
    """One listening socket and who answers on it.

    Args:
        app: The application.
        listening: The socket.
        tls: What connections are opened with, where clients speak https.
        protocol: What speaks HTTP on a connection; only the application for clients has direct requests.
    """

    def __init__(
        self,
        app: Asked,
        listening: socket.socket,
        tls: ssl.SSLContext | None = None,
        protocol: type[NarrowProtocol] | None = None,
    ) -> None:
        import uvicorn

        config = uvicorn_config(app, protocol)
        config.ssl = tls
        # Whoever sends nonsense would fill the log.
        logging.getLogger("uvicorn.error").setLevel(logging.ERROR)
        self._server = uvicorn.Server(config)
        self._server.lifespan = config.lifespan_class(config)
        self._server.servers = []
        self._listening = listening
        self._loop_task: asyncio.Task[Any] | None = None
        self._stopped = False

    async def start(self) -> None:
        """Begins to serve."""

        async def undo(started: None) -> None:
            await self.stop()

        await unbroken(self._server.startup(sockets=[self._listening]), undo)
        self._loop_task = at_once(self._server.main_loop())

    async def stop_accepting(self) -> None:
        """New connections go to whoever else holds the socket, or nowhere; old ones go on."""
        for server in self._server.servers:
            server.close()

    @property
    def is_alone(self) -> bool:
        """Whether it has no connection."""
        return not self._server.server_state.connections

    def let_go(self) -> bool:
        """Closes connections that carry nothing; whether any is left. Those in use end with their answer."""
        from callmux.transport.http.narrow import NarrowProtocol

        for connection in list(self._server.server_state.connections):
            if isinstance(connection, NarrowProtocol) and not connection.has_news():
                connection.shutdown()
        return bool(self._server.server_state.connections)

    async def stop(self) -> None:
        """Ends what is left, within a second or two, once."""
        if self._stopped:
            return
        self._stopped = self._server.should_exit = True
        try:
            if self._loop_task is not None:
                await self._loop_task
        finally:
            await self._server.shutdown(sockets=[self._listening])
