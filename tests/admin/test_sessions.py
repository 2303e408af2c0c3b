"""What status shows of a listener's sessions."""

from __future__ import annotations

from callmux.admin.sessions import session_facts
from tests.transport.http.asgi import House


async def test_each_session_is_shown_by_a_name_that_opens_nothing() -> None:
    house = House()
    ids = [await house.greets() for _ in range(2)]
    facts = session_facts(house.listener)
    assert facts["activeSessions"] == 2
    shown = [session["id"] for session in facts["sessions"]]
    assert shown == sorted(shown)
    assert not set(shown) & set(ids)
    assert {session["transport"] for session in facts["sessions"]} == {"streamable-http"}
    assert all(not s["clientRoots"] and not s["rootsAttempted"] and "cwd" not in s for s in facts["sessions"])
