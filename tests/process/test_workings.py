"""What calls need is read in when one comes, and not before."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.live.harness import write_config
from tests.process.test_host import House, config
from tests.support import SECONDS, play

LATER = {
    *("metatools.children", "metatools.engine", "metatools.preview", "metatools.recipes", "process.workings"),
    *("rings.coercion", "rings.order", "rings.references.files", "rings.shield.query", "rings.shield.shelf"),
    *("router.door", "router.offers", "router.router", "yaml"),
}


def test_a_start_and_a_listing_read_in_nothing_of_how_calls_are_made(tmp_path: Path) -> None:
    """That waits until a call comes, or the client has its lists."""
    path = write_config(tmp_path / "callmux.json", {"a": {"command": "callmux-nowhere"}})
    code = f"""if True:
        import asyncio, sys
        from pathlib import Path
        import callmux.cli.main, callmux.cli.single_client
        from callmux.config.load import load_config
        from callmux.process.host import Host
        from callmux.session.session import Session

        async def scene():
            config = load_config(Path({str(path)!r}), {{}}).config
            host = Host(config, Path("/"), {{}}, lambda *_: None, single=True)
            host.add(session := Session(host.dispatch, lambda line: None))
            await host.greet(session, "2025-06-18")
            await host.runtime.lists.list_tools()
            print(*sys.modules)
            await host.close()

        asyncio.run(scene())
    """
    loaded = subprocess.check_output([sys.executable, "-c", code], timeout=SECONDS, text=True, cwd=tmp_path)
    assert not {f"callmux.{name}" for name in LATER} & set(loaded.split())


def test_once_it_is_read_in_a_configuration_has_one_of_each(monkeypatch: pytest.MonkeyPatch) -> None:
    async def scene() -> None:
        house = await House(monkeypatch, config("a")).greets()
        runtime = house.host.runtime
        runtime.read_in()
        assert runtime.is_read_in
        workings = runtime.workings
        assert (runtime.router, runtime.offers) == (workings.router, workings.offers)
        route = runtime.find("a__t")
        assert route.stages
        assert runtime.find("a__t") is route
        runtime.forget_routes()
        assert runtime.find("a__t") is not route
        assert runtime.workings is workings
        await house.host.close()

    play(scene())


def test_a_configuration_that_nobody_calls_with_is_retired_without_being_read_in(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def scene() -> None:
        house = await House(monkeypatch, config("a")).greets()
        runtime = house.host.runtime
        runtime.retire("it is over")
        runtime.forget_lists()
        assert not runtime.is_read_in
        await house.host.close()

    play(scene())
