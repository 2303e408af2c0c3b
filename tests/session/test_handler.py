"""Whatever a session is given to lead its requests to has what it asks of it."""

from __future__ import annotations

import pytest

from callmux.bridge.relay import Relay
from callmux.session.dispatch import Dispatch
from callmux.session.handler import Handler

MEMBERS = sorted(name for name in vars(Handler) if not name.startswith("_"))


@pytest.mark.parametrize("implementation", [Dispatch, Relay])
def test_every_handler_has_what_the_protocol_asks_for(implementation: type) -> None:
    assert MEMBERS == ["call", "handle", "open", "stateless", "told"]
    assert [name for name in MEMBERS if not hasattr(implementation, name)] == []
