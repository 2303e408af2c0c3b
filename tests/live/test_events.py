"""Events of several servers of either era, for clients of either era."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tests.support import eventually, free_port

from .harness import callmux, python_server, run, stdio, write_config
from .modern import asked
from .test_listener import run_listener


def config_of(tmp_path: Path) -> Path:
    servers = {
        "old": stdio(python_server("event_server.py")),
        "new": stdio(python_server("event_server.py", "--modern")),
    }
    return write_config(tmp_path / "c.json", servers)


def test_a_client_with_a_handshake_asks_each_server_for_its_events(tmp_path: Path) -> None:
    async def scene() -> None:
        async with callmux(tmp_path, "--config", str(config_of(tmp_path))) as client:
            await client.initialize()
            await client.tools()
            listed = (await client.request("events/list"))["events"]
            assert sorted(event["name"] for event in listed) == ["new:mail", "old:mail"]
            assert {tuple(event["delivery"]) for event in listed} == {("poll",)}
            ids = []
            for name in ("new:mail", "old:mail"):
                cursor = None
                for expected in ("1", "2"):
                    params = {"name": name, "arguments": {"q": name}, "cursor": cursor}
                    found = await client.request("events/poll", params)
                    cursor = found["cursor"]
                    assert cursor == expected
                    (event,) = found["events"]
                    assert (event["name"], event["data"]) == (name, {"q": name})
                    ids.append(event["eventId"].split()[0])
            assert ids[0] == ids[1] != ids[2] == ids[3]

    run(scene(), 60)


def test_a_client_without_one_does_so_over_http(tmp_path: Path) -> None:
    port = free_port()

    def ask(method: str, **params: Any) -> Any:
        return asked(port, method, params)[1]

    with run_listener(tmp_path, config_of(tmp_path), port):
        eventually(lambda: ask("server/discover")["result"]["ttlMs"] >= 0, "an answer")
        ask("tools/list")
        assert ask("server/discover")["result"]["capabilities"]["events"] == {}
        listed = ask("events/list")["result"]
        assert sorted(event["name"] for event in listed["events"]) == ["new:mail", "old:mail"]
        assert listed["resultType"] == "complete"
        found = ask("events/poll", name="old:mail", cursor="7")["result"]
        assert (found["cursor"], found["events"][0]["name"]) == ("8", "old:mail")
        assert ask("events/poll", name="mail")["error"]["code"] == -32602
        assert ask("events/stream", name="old:mail")["error"]["code"] == -32601
