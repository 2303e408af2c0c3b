"""The two forms in which callmux itself answers a `tools/call`: a payload, or an error. Pure.

Called by the meta-tools and by the stage that turns exceptions into results. Text and structured content are
the same compact JSON: the text is what a model pays for.
"""

from __future__ import annotations

from collections.abc import Mapping
from io import BytesIO

import msgspec

from callmux.errors import CallmuxError
from callmux.portions import PIECE, Portions, pieces
from callmux.protocol.shapes import Result

_encode = msgspec.json.Encoder().encode
_TEXT = b'{"content":[{"type":"text","text":"'
_STRUCTURED = b'"}],"structuredContent":'


def success(payload: Mapping[str, object]) -> Result:
    """A result that carries `payload` as text and as structured content.

    Args:
        payload: JSON values by name, in the order they are shown. A `msgspec.Raw` goes out as it stands, so
            it must be JSON on a single line.
    """
    return Result(_around(encode(payload), b"}"))


def succeeding(payload: Mapping[str, object]) -> Portions[Result]:
    """`success` in portions."""
    body = encode(payload)
    if len(body) <= PIECE:
        return Result(_around(body, b"}"))
    yield
    made = BytesIO()
    made.write(_TEXT)
    for piece in pieces(body):
        made.write(_encode(piece.decode())[1:-1])
        yield
    made.write(_STRUCTURED)
    view = memoryview(body)
    for start in range(0, len(body), PIECE):
        made.write(view[start : start + PIECE])
        yield
    made.write(b"}")
    return Result(made.getvalue())


def failure(error: CallmuxError) -> Result:
    """An error result: `{"error": {code, message, details?}}` as text and as structured content."""
    described: dict[str, object] = {"code": error.code, "message": error.message}
    if error.details:
        described["details"] = error.details
    return failed(described, error.code)


def failed(described: Mapping[str, object], code: str = "") -> Result:
    """An error result of its members `code`, `message` and `details`."""
    return Result(_around(encode({"error": described}), b',"isError":true}'), code=code)


def encode(value: object) -> bytes:
    """`value` as compact JSON; half surrogate pairs in its strings, which JSON cannot carry, become `?`."""
    try:
        return _encode(value)
    except UnicodeEncodeError:
        return _encode(_speakable(value))


def _around(body: bytes, end: bytes) -> bytes:
    return b"".join((_TEXT, _encode(body.decode())[1:-1], _STRUCTURED, body, end))


def _speakable(value: object) -> object:
    if isinstance(value, str):
        return value.encode("utf-8", "replace").decode()
    if isinstance(value, Mapping):
        return {str(_speakable(key)): _speakable(member) for key, member in value.items()}
    if isinstance(value, (list, tuple)):
        return [_speakable(member) for member in value]
    return value
