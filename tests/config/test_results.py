"""Sections about results."""

from __future__ import annotations

import pytest

from callmux.config.check import check_server
from callmux.config.results import GLOBAL_SHIELD_KEYS, ResponseShield, SchemaCompression, ServerShield


def test_defaults() -> None:
    shield = ResponseShield()
    assert (shield.enabled, shield.max_result_bytes, shield.max_string_chars, shield.max_array_items) == (
        True,
        65536,
        8192,
        50,
    )
    assert (shield.max_stored_results, shield.max_stored_result_bytes, shield.max_stored_bytes) == (
        100,
        64 * 2**20,
        256 * 2**20,
    )
    assert SchemaCompression() == SchemaCompression(enabled=True, mode="balanced", max_description_chars=160)


@pytest.mark.parametrize("key", GLOBAL_SHIELD_KEYS)
def test_the_store_cannot_be_set_for_one_server(key: str) -> None:
    """Whatever the value."""
    _, problems, _ = check_server({"command": "x", "responseShield": {key: None}}, "servers.a")
    assert problems == [f"servers.a.responseShield.{key} is only supported in global responseShield"]


def test_a_server_inherits_what_it_does_not_say() -> None:
    """None is not the default value but the lack of one."""
    server, _, _ = check_server({"command": "x", "responseShield": {"enabled": False}}, "servers.a")
    assert server is not None
    assert server.response_shield == ServerShield(enabled=False)
    assert server.response_shield.max_result_bytes is None
