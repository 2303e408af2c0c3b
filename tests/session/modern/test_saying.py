"""What requests say of their clients, in one spelling."""

from __future__ import annotations

import pytest

from callmux.protocol.jsonrpc import RpcError
from callmux.session.modern.saying import declared_by, in_one_spelling, is_lower


def test_what_a_client_declares_is_the_same_in_any_order() -> None:
    assert (
        declared_by(b'{"roots":{}, "elicitation":{"form":{}}}') == b'{"elicitation":{"form":{}},"roots":{}}'
    )
    assert in_one_spelling(b"{ }") == b"{}"


@pytest.mark.parametrize("capabilities", [b"[]", b"{", b'{"x":' + b"[" * 200 + b"]" * 200 + b"}"])
def test_what_cannot_be_read_is_refused_each_time(capabilities: bytes) -> None:
    for _ in range(2):
        assert in_one_spelling(capabilities) is None
        with pytest.raises(RpcError, match="clientCapabilities"):
            declared_by(capabilities)


def test_a_lower_level_lets_more_through() -> None:
    assert is_lower("debug", "info")
    assert is_lower("emergency", None)
    assert not is_lower("info", "info")
