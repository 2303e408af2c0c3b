"""What runs, and who uses it."""

from __future__ import annotations

import os

from callmux.context import Scope
from callmux.process.usage import usage
from tests.support import FakeClient
from tests.upstream.fake_link import SILENCE, FakeLink
from tests.upstream.test_demand import IDLE, Kept, idle, lazy
from tests.upstream.test_server import Plant, later


async def test_each_process_of_a_server_is_told_with_those_who_use_it() -> None:
    link = FakeLink(x=SILENCE)
    link.pid = 77  # type: ignore[attr-defined]
    plant = await idle(link)
    connection = await plant.acquire()
    scope = Scope(cwd="/here")
    plant.server.leave(await plant.server.acquire("t", FakeClient(), scope=scope))
    await later(IDLE / 2)
    told = usage({"s": plant.server})
    assert told["pid"] == os.getpid()
    (server,) = told["servers"]
    about = {key: server[key] for key in ("name", "state", "transport", "lazy")}
    assert about == {"name": "s", "state": "connected", "transport": "fake", "lazy": False}
    main, lane = server["connections"]
    assert main == {"for": "main", "pid": 77, "sessions": 1, "calls": 0, "idleSeconds": 30}
    assert (lane["for"], lane["pid"], lane["sessions"]) == ("/here", None, 1)
    connection.send(connection.own("x", None, 5))
    (server,) = usage({"s": plant.server})["servers"]
    assert (server["connections"][0]["calls"], "idleSeconds" in server["connections"][0]) == (1, False)
    await plant.server.close()


async def test_a_server_that_sleeps_has_no_process() -> None:
    plant = lazy(Plant(), Kept("t"))
    await plant.up()
    (server,) = usage({"s": plant.server})["servers"]
    assert (server["state"], server["lazy"], server["connections"]) == ("sleeping", True, [])
    await plant.server.close()


async def test_what_a_connection_is_for_names_no_credential() -> None:
    plant = await Plant().up()
    able, levelled = FakeClient(b'{"sampling":{}}'), FakeClient()
    levelled.server_level = "debug"
    secret = Scope(headers=(("authorization", "secret"),))
    await plant.acquire()
    await plant.server.acquire("t", able)
    await plant.server.acquire("t", levelled)
    plant.server.leave(await plant.server.acquire("t", plant.client, scope=secret))
    (server,) = usage({"s": plant.server})["servers"]
    assert [one["for"] for one in server["connections"]] == ["main", "capabilities", "session", "credentials"]
    assert "secret" not in str(server)
    await plant.server.close()
