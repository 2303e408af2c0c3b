"""What a person can tell a running process to do with one of its servers: restart it, stop it, start it.

Called by `callmux.process.config_watch` for commands and by `callmux.management.changes`. Where several
listeners are one, an order that is given at one node is for all of them, or for the one that it names.
"""

from __future__ import annotations

import logging
from typing import Any

from callmux.errors import InvalidArguments, StoreUnavailable
from callmux.process.host import Host
from callmux.process.named import named
from callmux.server_orders import ServerOrder

log = logging.getLogger(__name__)


async def give(host: Host, order: ServerOrder, why: str) -> dict[str, Any]:
    """Has an order carried out, wherever it is for. Gives the record of the server here as status shows it,
    with the `nodes` that were told; of an order for another node only that it was told.

    Args:
        why: Who asked for it, for the log.

    Raises:
        ServerNotFound, ServerDisabled: There is no such server.
        InvalidArguments: It is for a node that is not there.
        StoreUnavailable: It is for another node, which cannot be told.
    """
    others = host.others
    if others is None:
        if order.node:
            what = f'there is no node "{order.node}": this listener has no state.node, so leave node out'
            raise InvalidArguments(what, field="node")
        return await carry_out(host, order, why)
    if not others.is_for_us(order):
        return {"name": order.server, "state": "ordered", "nodes": await others.tell(order)}
    server = named(order.server, host.runtime.servers, host.runtime.config)
    if order.token and not others.is_new(order.token):
        if order.action != "stop" and host.started:
            await server.settled()
        return server.record()
    told: dict[str, Any] = {}
    if not order.node:
        try:
            told["nodes"] = await others.tell(order)
        except StoreUnavailable as error:
            told["nodes"], told["problem"] = [], f"other nodes were not told: {error.message}"
            log.warning('"%s" is told to %s at this node alone: %s', order.server, order.action, error)
    return {**await carry_out(host, order, why), **told}


async def carry_out(host: Host, order: ServerOrder, why: str) -> dict[str, Any]:
    """Carries an order out here; gives the record of the server.

    A server that is stopped ends its processes once their calls are done, and the next call starts it again.
    One that is started is waited for.

    Args:
        why: Who asked for it, for the log.

    Raises:
        ServerNotFound, ServerDisabled: There is no such server.
    """
    if order.action == "restart":
        return await host.restart(order.server, why)
    server = named(order.server, host.runtime.servers, host.runtime.config)
    if order.action == "stop":
        log.info('stopping "%s": %s', order.server, why)
        server.demand.stop()
        return server.record()
    log.info('starting "%s": %s', order.server, why)
    host.start(None)
    await server.settled(for_call=True)
    await server.main_line.acquire(force=True)
    return server.record()
