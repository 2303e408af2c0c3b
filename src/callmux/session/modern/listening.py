"""One `subscriptions/listen` request: who hears of changes for as long as it is not answered.

Made by `callmux.session.modern.serving`. To the process it is a session that has seen every list it asked
for, so that it is told of changes as sessions are; what it is told goes out under the id of the request (MCP
2026-07-28, basic/patterns/subscriptions).
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from typing import Any

import msgspec
from msgspec import UNSET, Raw, UnsetType

from callmux.protocol.jsonrpc import INVALID_PARAMS, Id, RpcError
from callmux.protocol.params import ACKNOWLEDGED, LISTEN, SUBSCRIPTION, members
from callmux.session.handler import Handler
from callmux.session.session import Session

UPDATED = "notifications/resources/updated"
MOST_RESOURCES = 1000
"""Resources that one request may name."""

_KINDS = {
    "tools": ("tools",),
    "prompts": ("prompts",),
    "resources": ("resources", "resourceTemplates"),
}
"""Capability -> the lists of a session that belong to it."""


class Filter(msgspec.Struct, rename="camel"):
    """What a client wants to hear of."""

    tools_list_changed: bool | UnsetType = UNSET
    prompts_list_changed: bool | UnsetType = UNSET
    resources_list_changed: bool | UnsetType = UNSET
    resource_subscriptions: list[str] | UnsetType = UNSET


class _Params(msgspec.Struct):
    notifications: Filter


_PARAMS = msgspec.json.Decoder(_Params)
_ENCODER = msgspec.json.Encoder()


def read(params: Raw | None, capabilities: Mapping[str, Any]) -> Filter:
    """What a request wants to hear of, as far as anything tells of it.

    Raises:
        RpcError: It says nothing that can be read.
    """
    try:
        wanted = _PARAMS.decode(b"{}" if params is None else params).notifications
    except msgspec.MsgspecError as error:
        raise RpcError(INVALID_PARAMS, f"{LISTEN}: {error}") from None
    uris = wanted.resource_subscriptions
    if uris is not UNSET and len(uris) > MOST_RESOURCES:
        raise RpcError(
            INVALID_PARAMS, f"{LISTEN}: resourceSubscriptions must not name more than {MOST_RESOURCES}"
        )
    return Filter(
        _told(wanted.tools_list_changed, "tools", capabilities),
        _told(wanted.prompts_list_changed, "prompts", capabilities),
        _told(wanted.resources_list_changed, "resources", capabilities),
        list(dict.fromkeys(uris)) if uris is not UNSET and "resources" in capabilities else UNSET,
    )


def _told(wanted: bool | UnsetType, kind: str, capabilities: Mapping[str, Any]) -> bool | UnsetType:
    if wanted is not True or kind not in capabilities:
        return UNSET
    declared = members(_ENCODER.encode(capabilities[kind])).get("listChanged")
    return True if declared is not None and bytes(declared) == b"true" else UNSET


class Listening(Session):
    """Who hears.

    Args:
        handler: That of every session.
        tag: The id of the request, as JSON.
        wanted: What it hears of.
        send: Sends a notification to the request's client.

    Attributes:
        left: Set when it is to end by itself.
    """

    def __init__(
        self,
        handler: Handler[Session],
        tag: bytes,
        wanted: Filter,
        send: Callable[[str, bytes], None],
    ) -> None:
        super().__init__(handler, lambda line: None)
        self.wanted = wanted
        self._tag = Raw(tag)
        self._tell = send
        self._begun = False
        self.left = asyncio.Event()
        given = (
            ("tools", wanted.tools_list_changed),
            ("prompts", wanted.prompts_list_changed),
            ("resources", wanted.resources_list_changed),
        )
        self.kinds = tuple(kind for name, is_wanted in given if is_wanted is True for kind in _KINDS[name])
        """The lists that it is to be taken to have seen."""

    def resemble(self, session: Session) -> None:
        """Sees what the client of this session sees."""
        own, its = self.facts, session.facts
        own.principal, own.profile, own.client_name = its.principal, its.profile, its.client_name
        self.capabilities = session.capabilities

    @property
    def is_ready(self) -> bool:
        return self._begun

    @property
    def result(self) -> bytes:
        """The answer of the request, once nothing more is told."""
        return b'{"_meta":{"%b":%b}}' % (SUBSCRIPTION.encode(), self._tag)

    def acknowledge(self) -> None:
        """Acknowledges what is told from here on."""
        self._begun = True
        self._say(ACKNOWLEDGED, {"notifications": self.wanted})

    def notify(self, method: str, params: bytes | Raw | None, about: Id | None = None) -> None:
        if not self._begun:
            return
        is_list = any(method == f"notifications/{kind}/list_changed" for kind in self.kinds)
        if is_list or (method == UPDATED and self.wanted.resource_subscriptions is not UNSET):
            self._say(method, dict(members(params)))

    def _say(self, method: str, params: dict[str, Any]) -> None:
        given = params.get("_meta")
        meta = members(given) if isinstance(given, Raw) else {}
        meta[SUBSCRIPTION] = self._tag
        self._tell(method, _ENCODER.encode({**params, "_meta": meta}))
