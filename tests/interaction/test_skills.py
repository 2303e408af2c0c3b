"""Skills through callmux: each leads to its own server, and what a manifest says of bytes stays true."""

from __future__ import annotations

import hashlib
import json

import pytest

from .bench import TRANSPARENT, Bench, Client, bench, interaction
from .raw_server import Call, Json, RawServer, Refusal

KEY = "io.modelcontextprotocol/skills"
FRONTMATTER = '{"name": "%s", "description":"caf\\u00e9","metadata":{"n":1.50}, "io":"skill://x/SKILL.md"}'
UNKNOWN: Json = {"code": -32602, "message": "unknown", "data": {"n": 1}}
MODERN: Json = {
    "_meta": {
        "io.modelcontextprotocol/protocolVersion": "2026-07-28",
        "io.modelcontextprotocol/clientCapabilities": {"extensions": {KEY: {}}},
    }
}


class SkillServer(RawServer):
    """A server of skills, as its files say: by path, such as `x/SKILL.md`, a text.

    Args:
        unlisted: Names of skills that it serves and does not list.
    """

    def __init__(
        self, name: str, files: dict[str, str], *, unlisted: tuple[str, ...] = (), listed: bool = True
    ) -> None:
        extensions = {KEY: {"directoryRead": True}, "io.modelcontextprotocol/ui": {}}
        super().__init__(name, capabilities={"tools": {}, "resources": {}, "extensions": extensions})
        self.files = {f"skill://{path}": text for path, text in files.items()}
        self.unlisted = unlisted
        uris = [{"uri": uri, "name": uri} for uri in self.files if listed]
        self.lists("resources", *uris).lists("resourceTemplates")
        self.answers("resources/read", self._read)
        self.answers("skills/list", self._list)
        self.answers("skills/get", self._get)
        self.answers("resources/directory/read", self._directory)

    def _skills(self) -> dict[str, str]:
        ends = "/SKILL.md"
        return {uri: uri.removesuffix(ends).rpartition("/")[2] for uri in self.files if uri.endswith(ends)}

    def _entry(self, uri: str, name: str) -> str:
        directory = uri.removesuffix("SKILL.md")
        manifest = [
            {"uri": u, "digest": f"sha256:{hashlib.sha256(t.encode()).hexdigest()}", "size": len(t.encode())}
            for u, t in self.files.items()
            if u.startswith(directory)
        ]
        shown = FRONTMATTER % name
        return f'{{"uri":"{uri}","frontmatter":{shown},"resources":{json.dumps(manifest)},"x":[1.50]}}'

    def _list(self, call: Call) -> str:
        entries = [self._entry(u, n) for u, n in self._skills().items() if n not in self.unlisted]
        return f'{{"skills":[{",".join(entries)}]}}'

    def _get(self, call: Call) -> str:
        uri = call.params["uri"]
        if uri not in self._skills():
            raise Refusal(UNKNOWN)
        return f'{{"skill":{self._entry(uri, self._skills()[uri])}}}'

    def _read(self, call: Call) -> Json:
        uri = call.params["uri"]
        if uri not in self.files:
            raise Refusal(UNKNOWN)
        return {"contents": [{"uri": uri, "text": self.files[uri], "mimeType": "text/markdown"}]}

    def _directory(self, call: Call) -> Json:
        uri = call.params["uri"]
        below = [u.removeprefix(f"{uri}/").split("/") for u in self.files if u.startswith(f"{uri}/")]
        if not below:
            raise Refusal(UNKNOWN)
        found = {
            f"{uri}/{first}": "inode/directory" if rest else "text/markdown" for first, *rest in sorted(below)
        }
        return {"resources": [{"uri": u, "name": u, "mimeType": kind} for u, kind in found.items()]}


def alike(name: str, *more: str, listed: bool = True) -> SkillServer:
    """A server whose skill `x` another one has, too, with other texts."""
    files = {"x/SKILL.md": f"# x of {name}", "x/t/deep/a.md": f"a of {name}", f"x/{name}.md": name}
    files |= {f"{path}/SKILL.md": f"{path} of {name}" for path in more}
    return SkillServer(name, files, listed=listed)


async def check(client: Client, entry: Json, params: Json) -> set[str]:
    """Reads every file of a skill by the address in its manifest; gives what it holds."""
    root = entry["uri"].removesuffix("SKILL.md")
    assert root.rstrip("/").rpartition("/")[2] == entry["frontmatter"]["name"]
    assert entry["uri"] in [file["uri"] for file in entry["resources"]]
    texts = set()
    for file in entry["resources"]:
        assert file["uri"].startswith(root)
        (content,) = (await client.request("resources/read", {"uri": file["uri"], **params}))["contents"]
        held = content["text"].encode()
        assert file["digest"] == f"sha256:{hashlib.sha256(held).hexdigest()}"
        assert (file["size"], content["uri"]) == (len(held), file["uri"])
        texts.add(content["text"])
    got = (await client.request("skills/get", {"uri": entry["uri"], **params}))["skill"]
    assert got == entry
    await walk(client, root.rstrip("/"), {file["uri"] for file in entry["resources"]}, params)
    return texts


async def walk(client: Client, directory: str, files: set[str], params: Json) -> None:
    """Finds the files of a skill, and nothing else, by its directories."""
    found, open = set[str](), [directory]
    while open:
        for part in (await client.request("resources/directory/read", {"uri": open.pop(), **params}))[
            "resources"
        ]:
            (open.append if part["mimeType"] == "inode/directory" else found.add)(part["uri"])
    assert found == files


async def came(b: Bench, era: str) -> tuple[Client, Json]:
    """A client, and what stands in each of its requests."""
    if era == "2025-11-25":
        return await b.greeted(capabilities={"extensions": {KEY: {}}}), {}
    client = b.client()
    told = await client.request("server/discover", MODERN)
    assert KEY in told["capabilities"]["extensions"]
    return client, MODERN


ERAS = ("2025-11-25", "2026-07-28")


@pytest.mark.parametrize("era", ERAS)
@pytest.mark.parametrize("single", [True, False])
@pytest.mark.parametrize("listed", [True, False])
@pytest.mark.parametrize("config", [{}, {"metaOnly": True}, {"exposeMetaTools": False}], ids=str)
@interaction("skills.routed")
async def test_every_digest_of_every_server_verifies(
    config: Json, listed: bool, single: bool, era: str
) -> None:
    servers = [
        alike("a", "own"),
        alike("b"),
        SkillServer("c d", {"o/x/SKILL.md": "other"}),
        RawServer("plain"),
    ]
    if not listed:
        for server in servers[:3]:
            server.lists("resources")
    async with bench(*servers, single=single, **config) as b:
        client, params = await came(b, era)
        entries = (await client.request("skills/list", params))["skills"]
        uris = [entry["uri"] for entry in entries]
        assert uris == [
            "skill://callmux/a/x/SKILL.md",
            "skill://own/SKILL.md",
            "skill://callmux/b/x/SKILL.md",
            "skill://o/x/SKILL.md",
        ]
        texts = [await check(client, entry, params) for entry in entries]
        assert texts[0] == {"# x of a", "a of a", "a"}
        assert texts[2] == {"# x of b", "a of b", "b"}
        known = {r["uri"] for r in (await client.request("resources/list", params))["resources"]}
        assert known == (
            {file["uri"] for entry in entries for file in entry["resources"]} if listed else set()
        )


@pytest.mark.parametrize("era", ERAS)
@interaction("skills.bytes")
async def test_what_is_no_address_stays_byte_for_byte(era: str) -> None:
    async with bench(alike("a"), alike("b")) as b:
        client, params = await came(b, era)
        listed = await client.result("skills/list", params)
        assert listed.count((FRONTMATTER % "x").encode()) == 2
        assert listed.count(b'"x":[1.50]') == 2
        uri = "skill://callmux/b/x/SKILL.md"
        got = await client.result("skills/get", {"uri": uri, **params})
        assert (FRONTMATTER % "x").encode() in got


@interaction("skills.routed")
async def test_a_skill_that_no_list_has_is_found_by_its_address() -> None:
    """Instructions or a person may name it."""
    a = SkillServer("a", {"x/SKILL.md": "x", "x/r.md": "r"}, unlisted=("x",), listed=False)
    b_server = SkillServer("b", {"y/SKILL.md": "y"}, unlisted=("y",), listed=False)
    async with bench(a, b_server) as b:
        client = await b.greeted()
        assert await client.request("skills/list") == {"skills": []}
        for uri, server in (("skill://y/SKILL.md", b_server), ("skill://x/SKILL.md", a)):
            got = (await client.request("skills/get", {"uri": uri}))["skill"]
            assert got["uri"] == uri
            await check(client, got, {})
            assert "skills/get" in server.peer.calls
        assert (await client.refused("skills/get", {"uri": "skill://z/SKILL.md"}))["code"] == -32602
        assert (await client.refused("resources/directory/read", {"uri": "skill://z"}))["code"] == -32602


@pytest.mark.parametrize("late", ["a", "b"])
@interaction("skills.routed")
async def test_a_server_whose_skills_come_later_takes_nobodys_address(late: str) -> None:
    servers = {name: alike(name) for name in ("a", "b")}
    early = "b" if late == "a" else "a"
    servers[late].lists("resources").lists("skills")
    for name, server in servers.items():
        server.lists("resources", *([] if name == late else [{"uri": u, "name": u} for u in server.files]))
    async with bench(*servers.values()) as b:
        client = await b.greeted()
        (entry,) = (await client.request("skills/list"))["skills"]
        assert entry["uri"] == "skill://x/SKILL.md"
        await client.request("resources/list")
        servers[late].answers("skills/list", servers[late]._list)
        entries = (await client.request("skills/list"))["skills"]
        assert [e["uri"] for e in entries] == [f"skill://callmux/{n}/x/SKILL.md" for n in ("a", "b")]
        # The resources are known by new addresses, too, and clients are told.
        await client.told("notifications/resources/list_changed")
        listed = {r["uri"] for r in (await client.request("resources/list"))["resources"]}
        assert listed == {u.replace("skill://", f"skill://callmux/{early}/") for u in servers[early].files}
        (content,) = (await client.request("resources/read", {"uri": "skill://x/SKILL.md"}))["contents"]
        assert content["text"] == f"# x of {early}"


@interaction("skills.routed")
async def test_a_server_that_fails_costs_only_its_own_skills() -> None:
    bad = alike("a").answers("skills/list", "7")
    async with bench(bad, alike("b")) as b:
        client = await b.greeted()
        (entry,) = (await client.request("skills/list"))["skills"]
        assert entry["uri"] == "skill://callmux/b/x/SKILL.md"


@interaction("skills.routed")
async def test_a_cursor_of_nobodys_is_refused_and_all_pages_are_given() -> None:
    paged = alike("a")

    def page(call: Call) -> str:
        name, after = ("x", ',"nextCursor":"2"') if "cursor" not in call.params else ("y", "")
        return f'{{"skills":[{{"uri":"skill://{name}/SKILL.md","frontmatter":{{}}}}]{after}}}'

    paged.answers("skills/list", page)
    async with bench(paged, RawServer("b")) as b:
        client = await b.greeted()
        uris = [entry["uri"] for entry in (await client.request("skills/list"))["skills"]]
        assert uris == ["skill://x/SKILL.md", "skill://y/SKILL.md"]
        assert (await client.refused("skills/list", {"cursor": "2"}))["code"] == -32602


@pytest.mark.parametrize("era", ERAS)
@pytest.mark.parametrize(
    "config", [{}, TRANSPARENT, {"metaOnly": True}], ids=["usual", "transparent", "meta"]
)
@interaction("skills.bytes")
async def test_the_only_server_answers_with_its_own_bytes(config: Json, era: str) -> None:
    entries = b'[ {"uri":"skill:\\/\\/x/SKILL.md"} ]'
    hints = b',"ttlMs":7,"cacheScope":"public"' if era == "2026-07-28" else b""
    own = b'{"skills": %b, "nextCursor":"2"%b}' % (entries, hints)
    server = alike("a").answers("skills/list", own)
    async with bench(server, **config) as b:
        client, params = await came(b, era)
        answer = await client.result("skills/list", {"cursor": "1", **params})
        assert answer == own or (era == "2026-07-28" and entries in answer)
        assert json.loads(answer)["nextCursor"] == "2"
        assert server.peer.calls["skills/list"][0].params.get("cursor") == "1"
        assert json.loads(answer).get("ttlMs") == (7 if hints else None)


@interaction("skills.routed")
async def test_rules_decide_which_skills_there_are() -> None:
    """A client on stdio is the principal that the configuration names."""
    rule = {
        "id": "one",
        "effect": "allow",
        "principals": ["stdio:me"],
        "tools": ["b__skill://x/*", "b__skill://x"],
    }
    rules: Json = {"authorization": {"defaultEffect": "deny", "rules": [rule]}, "stdioPrincipal": "me"}
    async with bench(alike("a"), alike("b", "y"), **rules) as b:
        client = await b.greeted()
        entries = (await client.request("skills/list"))["skills"]
        assert [entry["uri"] for entry in entries] == ["skill://callmux/b/x/SKILL.md"]
        (entry,) = entries
        assert await check(client, entry, {}) == {"# x of b", "a of b", "b"}
        for uri in ("skill://callmux/a/x/SKILL.md", "skill://y/SKILL.md"):
            for method in ("skills/get", "resources/directory/read", "resources/read"):
                refused = await client.refused(method, {"uri": uri})
                assert "not allowed" in refused["message"], (method, refused)
