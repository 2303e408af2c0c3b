"""What MCP Apps say in `_meta`: the page that shows a tool's results, and who may see the tool. Pure.

The extension `io.modelcontextprotocol/ui`, revision 2026-01-26 (modelcontextprotocol/ext-apps), its older
flat key, and the keys of OpenAI's Apps SDK that mean the same. Called by `callmux.protocol.shapes` for tools,
`callmux.router.listing` and `callmux.rings.relinking` for addresses.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import msgspec
from msgspec import Raw

from callmux.protocol.params import exchange, members, optional_text

EXTENSION = "io.modelcontextprotocol/ui"
"""What a client declares in `capabilities.extensions` that can show apps."""
SCHEME = "ui://"

_UI = "ui"
_ADDRESS = "resourceUri"
_FLAT_ADDRESSES = ("ui/resourceUri", "openai/outputTemplate")
_OPENAI_VISIBILITY = "openai/visibility"
_MODEL = "model"
_ENCODER = msgspec.json.Encoder()
_ANY = msgspec.json.Decoder()
_NULL = Raw(b"null")


class Linkage(msgspec.Struct, frozen=True):
    """What a tool's `_meta` says.

    Attributes:
        pages: URIs of the pages that show its results.
        for_model: Whether a model may know it; else only the page of its own server calls it.
    """

    pages: tuple[str, ...] = ()
    for_model: bool = True


NONE = Linkage()


def linkage(meta: Raw | None) -> Linkage:
    """What `_meta` of a tool says."""
    given = members(meta)
    if not given:
        return NONE
    ui = members(given.get(_UI))
    found = [
        optional_text(ui.get(_ADDRESS, _NULL)),
        *(optional_text(given.get(k, _NULL)) for k in _FLAT_ADDRESSES),
    ]
    pages = tuple(dict.fromkeys(uri for uri in found if uri))
    return Linkage(pages, _for_model(ui, given)) if pages or ui or _OPENAI_VISIBILITY in given else NONE


def _for_model(ui: Mapping[str, Raw], meta: Mapping[str, Raw]) -> bool:
    try:
        visibility = _ANY.decode(ui.get("visibility", _NULL))
    except msgspec.MsgspecError:
        visibility = None
    if isinstance(visibility, str):
        visibility = [visibility]
    if isinstance(visibility, list):
        return _MODEL in visibility
    return optional_text(meta.get(_OPENAI_VISIBILITY, _NULL)) != "private"


def relinked(meta: Raw | None, shown: Callable[[str], str]) -> Raw | None:
    """`_meta` with the addresses of pages as clients know them; None where none is another.

    Args:
        shown: Gives the URI that clients know by the server's own.
    """
    given = members(meta)
    ui = members(given.get(_UI))
    changed = exchange(ui, _ADDRESS, shown)
    if changed:
        given[_UI] = Raw(_ENCODER.encode(ui))
    for key in _FLAT_ADDRESSES:
        changed = exchange(given, key, shown) or changed
    return Raw(_ENCODER.encode(given)) if changed else None


def shown_by(capabilities: bytes) -> bool:
    """Whether a client that declares these capabilities can show apps."""
    return EXTENSION in members(members(capabilities).get("extensions"))
