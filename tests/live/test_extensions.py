"""Two real servers with the same addresses: each has its own app and skill, for clients of both eras, on
stdio and through the bridge and its listener."""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, nullcontext
from pathlib import Path
from typing import Any

import pytest

from tests.live.harness import Client, Json, callmux, python_server, run, stdio, text_of, write_config
from tests.live.modern import REVISION, meta
from tests.live.test_listener import run_listener
from tests.support import free_port

CAPABILITIES: Json = {"extensions": {"io.modelcontextprotocol/ui": {}, "io.modelcontextprotocol/skills": {}}}
NAMES = ("one", "two")


class Asker:
    """A client of one era."""

    def __init__(self, client: Client, era: str) -> None:
        self._client = client
        self._meta = meta(**CAPABILITIES)
        self._modern = era == REVISION

    async def greet(self) -> Json:
        """What it is told that there is."""
        if not self._modern:
            told: Json = await self._client.initialize(capabilities=CAPABILITIES)
            return told
        return await self.ask("server/discover")

    async def ask(self, method: str, **params: Any) -> Json:
        given = {**params, "_meta": self._meta} if self._modern else params
        result: Json = await self._client.request(method, given)
        return result

    async def read(self, uri: str) -> str:
        (content,) = (await self.ask("resources/read", uri=uri))["contents"]
        assert content["uri"] == uri
        return str(content["text"])


@asynccontextmanager
async def asking(way: str, era: str, tmp_path: Path) -> AsyncIterator[Asker]:
    servers = {name: stdio(python_server("extension_server.py", name)) for name in NAMES}
    config, port = write_config(tmp_path / "callmux.json", servers), free_port()
    url = f"http://127.0.0.1:{port}/mcp"
    words = ["bridge", "--url", url] if way == "bridge" else ["--config", str(config)]
    with run_listener(tmp_path, config, port) if way == "bridge" else nullcontext():
        async with callmux(tmp_path, *words) as client:
            asker = Asker(client, era)
            told = await asker.greet()
            assert "io.modelcontextprotocol/skills" in told["capabilities"]["extensions"]
            yield asker


async def check_apps(asker: Asker) -> None:
    tools = {tool["name"]: tool for tool in (await asker.ask("tools/list"))["tools"]}
    for name in NAMES:
        meta = tools[f"{name}__get-time"]["_meta"]
        uri = meta["ui"]["resourceUri"]
        assert uri == meta["ui/resourceUri"] == f"ui://callmux/{name}/get-time/app.html"
        assert await asker.read(uri) == f"<p>{name}"
        result = await asker.ask("tools/call", name=f"{name}__get-time", arguments={})
        assert (text_of(result), result["_meta"]["ui"]["resourceUri"]) == (f"get-time of {name}", uri)
        assert tools[f"{name}__refresh"]["_meta"]["ui"]["visibility"] == ["app"]
        assert text_of(await asker.ask("tools/call", name=f"{name}__refresh")) == f"refresh of {name}"
    found = await asker.ask("tools/call", name="callmux_search_tools", arguments={"query": "refresh"})
    assert "one__refresh" not in text_of(found)


async def check_skills(asker: Asker) -> None:
    skills = (await asker.ask("skills/list"))["skills"]
    assert [skill["uri"] for skill in skills] == [f"skill://callmux/{n}/deploy/SKILL.md" for n in NAMES]
    for name, skill in zip(NAMES, skills, strict=True):
        assert skill["frontmatter"] == {"name": "deploy", "description": f"Deploys {name}"}
        assert (await asker.ask("skills/get", uri=skill["uri"]))["skill"] == skill
        for file in skill["resources"]:
            held = (await asker.read(file["uri"])).encode()
            assert name in held.decode()
            assert file["digest"] == f"sha256:{hashlib.sha256(held).hexdigest()}"
            assert file["size"] == len(held)
        directory = skill["uri"].removesuffix("/SKILL.md")
        below = (await asker.ask("resources/directory/read", uri=directory))["resources"]
        assert [child["uri"] for child in below] == [f"{directory}/SKILL.md", f"{directory}/refs"]


@pytest.mark.parametrize("era", ["2025-11-25", "2026-07-28"])
@pytest.mark.parametrize("way", ["stdio", "bridge"])
def test_two_servers_with_the_same_addresses_have_their_own_apps_and_skills(
    way: str, era: str, tmp_path: Path
) -> None:
    async def scene() -> None:
        async with asking(way, era, tmp_path) as asker:
            await check_apps(asker)
            await check_skills(asker)

    run(scene(), 60)


def test_what_a_page_calls_by_its_own_name_is_its_own_servers(tmp_path: Path) -> None:
    async def scene() -> None:
        async with asking("bridge", "2025-11-25", tmp_path) as asker:
            assert "ambiguous" in text_of(await asker.ask("tools/call", name="refresh"))
            await asker.read("ui://callmux/two/get-time/app.html")
            assert text_of(await asker.ask("tools/call", name="refresh")) == "refresh of two"

    run(scene(), 60)
