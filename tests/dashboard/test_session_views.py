"""Sessions as the dashboard lists them."""

from __future__ import annotations

from pathlib import Path

import pytest

from callmux.clock import Clock
from callmux.dashboard.session_views import LONGEST, sessions
from callmux.guard.principal import Principal
from callmux.session.session import Session
from tests.management.place import Place
from tests.support import real_loop


@real_loop()
async def test_each_says_whose_it_is_and_nothing_endless(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = Place(tmp_path, monkeypatch)
    session = Session(place.host.dispatch, lambda line: None)
    session.facts.client_name = "n" * 1000
    session.facts.principal = Principal(kind="bearer", id="ops")
    place.host.add(session, "sse", "abc")
    found = sessions(place.host, Clock())["sessions"]
    (one,) = [one for one in found if one["id"] == "abc"]
    assert one["client"] == "n" * LONGEST
    assert (one["principal"], one["transport"], one["active"]) == ("bearer:ops", "sse", 0)
    assert "profile" not in one
    await place.close()
