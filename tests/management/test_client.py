"""The client of the management interface: every method against a real listener."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from callmux.management.client import ManagementClient, ManagementFailed
from callmux.transport.http.serve import HttpServer, bind
from tests.management.place import AUTH, TOKEN, Place
from tests.process.test_orders import OtherNodes
from tests.support import free_port, real_loop

LISTENER = {"mode": "bearer", "tokens": [{"id": "dev", "token": "dev-token-1234"}]}


class Served:
    """A place that listens."""

    def __init__(self, place: Place) -> None:
        self.place = place
        self._socket = bind("127.0.0.1", 0)
        self.port = self._socket.getsockname()[1]
        self.base = f"http://127.0.0.1:{self.port}/management/v1"
        self._server = HttpServer(place.app, self._socket, None)

    async def __aenter__(self) -> Served:
        await self._server.start()
        await self.place.host.runtime.settled()
        return self

    async def __aexit__(self, *_: Any) -> None:
        await self._server.stop()
        self._socket.close()
        await self.place.close()


@real_loop()
async def test_every_method_does_what_it_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with (
        Served(Place(tmp_path, monkeypatch)) as served,
        ManagementClient(f"{served.base}//", TOKEN) as client,
    ):
        assert (await client.status())["management"]["enabled"] is True
        assert list((await client.effective_config())["servers"]) == ["a"]
        dry = await client.add_server("b", {"command": "b"}, dry_run=True)
        assert (dry["dryRun"], dry["action"]) == (True, "add_server")
        assert await client.add_server("b", {"command": "b"}) == {"action": "added", "server": "b"}
        assert [server["name"] for server in await client.servers()] == ["a", "b"]
        updated = await client.update_server("b", tools=["t"], add_tools=["u"], remove_tools=["t"])
        assert updated == {"action": "updated", "server": "b"}
        assert (await client.servers())[1]["tools"] == ["u"]
        assert (await client.update_server("b", disabled=True, dry_run=True))["dryRun"] is True
        await client.update_server("b", config={"command": "c"})
        assert (await client.restart_server("b"))["action"] == "restarted"
        assert (await client.stop_server("b"))["state"] == "sleeping"
        assert (await client.start_server("b"))["state"] == "connected"
        served.place.host.others = OtherNodes()
        assert (await client.stop_server("b", node="far"))["nodes"] == ["far"]
        assert await client.nodes() == []
        assert (await client.clear_cache(tool="t", server="b"))["tool"] == "t"
        assert (await client.remove_server("b", dry_run=True))["action"] == "delete_server"
        assert await client.remove_server("b") == {"action": "deleted", "server": "b"}
        assert (await client.openapi())["info"]["title"] == "callmux management"
        assert "Management" in repr(client)


@real_loop()
async def test_a_name_is_one_part_of_the_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    name = "@scope/the one?x=1#%2e"
    servers = {"a": {"command": "a"}, name: {"command": "z"}}
    async with (
        Served(Place(tmp_path, monkeypatch, servers=servers)) as served,
        ManagementClient(served.base, TOKEN) as client,
    ):
        assert (await client.restart_server(name))["server"] == name
        assert (await client.update_server(name, disabled=True))["server"] == name
        assert (await client.remove_server(name, dry_run=True))["server"] == name


@real_loop()
async def test_errors_say_what_the_listener_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with Served(Place(tmp_path, monkeypatch, auth=LISTENER)) as served:
        dev = {"Authorization": "Bearer dev-token-1234"}
        async with ManagementClient(served.base, TOKEN, headers=dev) as client:
            with pytest.raises(ManagementFailed, match='server "zzz" not found') as missing:
                await client.remove_server("zzz")
            assert missing.value.status == 404
            with pytest.raises(ManagementFailed, match="b must have either"):
                await client.add_server("b", {})
        async with ManagementClient(served.base, "wrong") as client:
            with pytest.raises(ManagementFailed, match="Unauthorized"):
                await client.status()
        async with ManagementClient(f"http://127.0.0.1:{served.port}/nothing", TOKEN, headers=dev) as client:
            with pytest.raises(ManagementFailed, match="Not found"):
                await client.status()
    async with ManagementClient(f"http://127.0.0.1:{free_port()}/management/v1", TOKEN) as client:
        with pytest.raises(ManagementFailed, match="cannot be reached") as away:
            await client.status()
        assert away.value.status is None
    with pytest.raises(ManagementFailed, match="base_url"):
        ManagementClient("localhost:1")


@real_loop()
async def test_answers_that_are_no_json_are_shown_as_they_are(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from callmux.transport.http.exchange import Exchange

    class Odd:
        methods = "GET"

        def template(self, path: str) -> str:
            return ""

        async def __call__(self, exchange: Exchange) -> None:
            body, status = {
                "/odd/status": (b"bad gateway", 502),
                "/odd/servers": (b"", 503),
                "/odd/config/effective": (b"[1]", 200),
            }[exchange.path]
            await exchange.answer(status, body, "text/plain")

    place = Place(tmp_path, monkeypatch)
    place.app._trees = {"/odd": Odd()}
    async with Served(place) as served, ManagementClient(f"http://127.0.0.1:{served.port}/odd") as client:
        with pytest.raises(ManagementFailed, match="bad gateway"):
            await client.status()
        with pytest.raises(ManagementFailed, match="HTTP status 503"):
            await client.servers()
        with pytest.raises(ManagementFailed, match="JSON object"):
            await client.effective_config()


@pytest.mark.parametrize(
    "address", ["ftp://h/", "http://[bad/", "http://h:99999/", "http:///x", "http://joe:pw-in-url-55@h/", "x"]
)
def test_what_cannot_be_its_address_is_refused_and_not_repeated(address: str) -> None:
    with pytest.raises(ManagementFailed, match="base_url must") as refused:
        ManagementClient(address, TOKEN)
    assert "pw-in-url-55" not in str(refused.value)


def test_tokens_are_in_nothing_that_is_printed() -> None:
    assert TOKEN not in repr(ManagementClient("http://x/", TOKEN))
    assert AUTH["tokens"][0]["token"] == TOKEN  # type: ignore[index]
