"""The management interface: who may do what, and what each request leads to."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from callmux.errors import CallmuxError
from callmux.observe.facts import ServersManaged
from tests.management.place import AUTH, TOKEN, Place
from tests.process.test_orders import OtherNodes
from tests.support import real_loop

LISTENER = {"mode": "bearer", "tokens": [{"id": "dev", "token": "dev-token-1234"}]}
ENTRY = {"command": "b", "args": ["--token", "hunter2secret"], "env": {"KEY": "s3cr3t-value-1"}}


@real_loop()
async def test_without_the_token_nothing_is_shown_and_nothing_changes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = Place(tmp_path, monkeypatch)
    for token in (None, "wrong-token", ""):
        for page in ("", "status", "servers", "nodes", "config/effective", "openapi.json"):
            path = page or "/management/v1"
            assert (await place.ask("GET", path, token=token)).status == 403
        body = {"name": "b", "config": ENTRY}
        for method, page in (
            ("POST", "servers"),
            ("PATCH", "servers/a"),
            ("DELETE", "servers/a"),
            ("POST", "servers/a/restart"),
            ("POST", "servers/a/stop"),
            ("POST", "servers/a/start"),
            ("POST", "cache/clear"),
            ("PUT", "servers/a"),
        ):
            refused = await place.ask(method, page, body, token=token)
            assert refused.status == 401
            assert refused.json["error"] == "Management auth is required for mutations"
            assert refused.headers["WWW-Authenticate"].startswith("Bearer")
    assert await place.tools() == {"a": ["t", "u"]}
    assert not place.state.exists()
    await place.close()


@real_loop()
async def test_its_credentials_are_its_own_beside_those_of_the_listener(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Either header, with or without a credential of the listener beside it.

    Weak spot L23 of callmux (npm).
    """
    place = Place(tmp_path, monkeypatch, auth=LISTENER)
    header = {"x-callmux-management-token": TOKEN}
    assert (await place.ask("GET", "servers")).status == 200
    assert (await place.ask("GET", "servers", token=None, **header)).status == 200
    assert (await place.ask("POST", "cache/clear", token="dev-token-1234", **header)).status == 200
    # A client of the listener is no manager, and a manager is no client.
    assert (await place.ask("GET", "servers", token="dev-token-1234")).status == 403
    assert (await place.ask("POST", "cache/clear", token="dev-token-1234")).status == 401
    assert (await place.ask("GET", "servers", token="neither")).status == 401
    for path in ("/ready", "/mcp", "/mcp/", "/mcp/p/x", "/sse", "/messages", "/metrics"):
        assert (await place.ask("GET", path)).status == 401
        assert (await place.ask("GET", path, token=None, **header)).status == 401
    await place.close()


@real_loop()
async def test_a_token_never_opens_the_endpoints_of_clients_wherever_the_interface_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for base in ("/", "/mcp"):
        managed = {"enabled": True, "auth": AUTH, "path": base}
        place = Place(tmp_path, monkeypatch, auth=LISTENER, management=managed)
        for path in ("/mcp", "/mcp/", "/mcp/p/work", "/sse", "/messages"):
            assert (await place.ask("POST", path, {})).status == 401
        await place.close()


@real_loop()
async def test_reading_can_be_opened_to_clients_or_to_all_and_writing_never(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    own = {"enabled": True, "allowAuthenticatedRead": True}
    place = Place(tmp_path, monkeypatch, auth=LISTENER, management=own)
    assert (await place.ask("GET", "servers", token="dev-token-1234")).status == 200
    assert (await place.ask("GET", "servers", token=None)).status == 401
    assert (await place.ask("POST", "cache/clear", token="dev-token-1234")).status == 401
    await place.close()
    place = Place(tmp_path, monkeypatch, management=own)
    assert (await place.ask("GET", "servers", token=None)).status == 403
    await place.close()
    place = Place(tmp_path, monkeypatch, management={"enabled": True, "allowUnauthenticatedRead": True})
    assert (await place.ask("GET", "servers", token=None)).status == 200
    assert (await place.ask("DELETE", "servers/a", token=None)).status == 401
    await place.close()
    # With tokens of its own, what clients may read is nothing.
    both = {"enabled": True, "auth": AUTH, "allowAuthenticatedRead": True}
    place = Place(tmp_path, monkeypatch, auth=LISTENER, management=both)
    assert (await place.ask("GET", "servers", token="dev-token-1234")).status == 403
    await place.close()


@real_loop()
async def test_a_server_is_added_changed_restarted_and_removed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = Place(tmp_path, monkeypatch)
    facts: list[ServersManaged] = []
    place.host.bus.subscribe(ServersManaged, facts.append)
    before = place.path.read_bytes()
    added = await place.ask("POST", "servers", {"name": "b", "config": ENTRY})
    assert (added.status, added.json) == (201, {"action": "added", "server": "b"})
    assert await place.tools() == {"a": ["t", "u"], "b": ["t", "u"]}
    patched = await place.ask("PATCH", "servers/b", {"tools": ["t"]})
    assert (patched.status, patched.json) == (200, {"action": "updated", "server": "b"})
    assert await place.tools() == {"a": ["t", "u"], "b": ["t"]}
    restarted = await place.ask("POST", "servers/b/restart")
    assert restarted.json["action"] == "restarted"
    stopped = await place.ask("POST", "servers/b/stop")
    assert stopped.json == {"action": "stopped", "server": "b", "state": "sleeping"}
    started = await place.ask("POST", "servers/b/start", {})
    assert started.json == {"action": "started", "server": "b", "state": "connected"}
    # Nobody else's server is touched.
    assert place.opened.count("a") == 1
    assert (await place.ask("PATCH", "servers/b", {"disabled": True})).status == 200
    for order in ("restart", "stop", "start"):
        assert (await place.ask("POST", f"servers/b/{order}")).status == 409
        assert (await place.ask("POST", f"servers/zzz/{order}")).status == 404
    shown = (await place.ask("GET", "servers")).json["servers"]
    assert [(s["name"], s["managed"], s["runtime"]["state"]) for s in shown] == [
        ("a", False, "connected"),
        ("b", True, "disabled"),
    ]
    assert (await place.ask("DELETE", "servers/b")).json == {"action": "deleted", "server": "b"}
    assert await place.tools() == {"a": ["t", "u"]}
    assert place.path.read_bytes() == before
    assert json.loads(place.state.read_text())["servers"] == {"b": {"deleted": True}}
    assert {fact.by for fact in facts} == {"management:ops"}
    assert [fact.action for fact in facts] == [
        "add_server",
        "patch_server",
        "restart_server",
        "stop_server",
        "start_server",
        "patch_server",
        "delete_server",
    ]
    await place.close()


@real_loop()
async def test_a_dry_run_tells_what_would_be_and_does_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = Place(tmp_path, monkeypatch)
    added = await place.ask("POST", "servers", {"name": "b", "config": ENTRY, "dryRun": True})
    assert added.status == 200
    assert (added.json["dryRun"], added.json["action"], added.json["server"]) == (True, "add_server", "b")
    assert set(added.json["config"]["servers"]) == {"a", "b"}
    patched = await place.ask("PATCH", "servers/a", {"addTools": ["t"], "dryRun": True})
    assert patched.json["config"]["servers"]["a"]["tools"] == ["t"]
    gone = await place.ask("DELETE", "servers/a?dryRun=true")
    assert (gone.json["action"], gone.json["config"]["servers"]) == ("delete_server", {})
    for method, page, body in (
        ("POST", "servers", {"name": "b", "config": {}, "dryRun": True}),
        ("PATCH", "servers/a", {"config": {"command": "a", "url": "http://b"}, "dryRun": True}),
        ("DELETE", "servers/a?dryRun=maybe", None),
    ):
        assert (await place.ask(method, page, body)).status == 400
    assert (await place.ask("DELETE", "servers/zzz?dryRun=true")).status == 404
    assert await place.tools() == {"a": ["t", "u"]}
    assert not place.state.exists()
    await place.close()


@real_loop()
@pytest.mark.parametrize(
    ("method", "page", "body", "status", "says"),
    [
        ("POST", "servers", b"no json", 400, "JSON object"),
        ("POST", "servers", [1], 400, "JSON object"),
        ("POST", "servers", {"config": ENTRY}, 400, "name is required"),
        ("POST", "servers", {"name": "a b", "config": ENTRY}, 400, "name must be"),
        ("POST", "servers", {"name": "b__c", "config": ENTRY}, 400, "name must be"),
        ("POST", "servers", {"name": "..", "config": ENTRY}, 400, "more than dots"),
        ("POST", "servers", {"name": "b\u202ec", "config": ENTRY}, 400, "invisible"),
        ("POST", "servers", {"name": "x" * 65, "config": ENTRY}, 400, "1 to 64"),
        ("POST", "servers", b'{"name":"b","config":{"command":"b","args":["\\ud800"]}}', 400, "JSON object"),
        ("POST", "servers", b'{"name":"b","config":' + b'{"a":' * 5000 + b"1" + b"}" * 5001, 400, "JSON"),
        ("POST", "servers", {"name": "b", "config": {"command": "b", "args": [10**30]}}, 400, "args[0]"),
        ("POST", "servers", {"name": "b"}, 400, "config is required"),
        ("POST", "servers", {"name": "b", "config": {}}, 400, "servers.b must have either"),
        ("POST", "servers", {"name": "b", "config": {"command": "x", "args": 1}}, 400, "servers.b.args"),
        ("POST", "servers", {"name": "b", "config": ENTRY, "dryRun": "no"}, 400, "dryRun must be"),
        ("POST", "servers", {"name": "b", "confg": ENTRY}, 400, '"confg" is not known'),
        ("POST", "servers", b" " * (1024 * 1024 + 1), 400, "over 1048576 bytes"),
        ("PATCH", "servers/a", {"disabled": 1}, 400, "disabled must be"),
        ("PATCH", "servers/a", {"tools": "t"}, 400, "tools must be a list"),
        ("PATCH", "servers/a", {"config": ENTRY, "disabled": True}, 400, "replaces the whole"),
        ("PATCH", "servers/zzz", {"disabled": True}, 404, 'server "zzz" not found'),
        ("DELETE", "servers/zzz", None, 404, 'server "zzz" not found'),
        ("POST", "servers/zzz/restart", None, 404, 'server "zzz" not found'),
        ("POST", "cache/clear", {"tool": 1}, 400, "tool must be"),
        ("GET", "nothing", None, 404, "Not found"),
        ("GET", "/management/v1/", None, 404, "Not found"),
        ("PUT", "servers/a", {}, 404, "Not found"),
        ("POST", "servers/", {}, 404, "Not found"),
    ],
)
async def test_what_cannot_be_done_says_why_and_changes_nothing(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    method: str,
    page: str,
    body: Any,
    status: int,
    says: str,
) -> None:
    place = Place(tmp_path, monkeypatch)
    answer = await place.ask(method, page, body)
    assert answer.status == status, answer.body
    assert says in answer.json["error"]
    assert await place.tools() == {"a": ["t", "u"]}
    assert not place.state.exists()
    await place.close()


@real_loop()
async def test_nothing_that_it_shows_has_a_secret(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    secrets = ("s3cr3t-value-1", "hunter2secret", TOKEN, "query-secret-9", "header-secret-7", "pw-in-url-55")
    web = {
        "url": "https://joe:pw-in-url-55@example.com/mcp?api_key=query-secret-9",
        "headers": {"X-Key": "header-secret-7", "Authorization": "Bearer ${NAMED}"},
        "disabled": True,
    }
    place = Place(tmp_path, monkeypatch, servers={"a": {"command": "a"}, "web": web})
    assert (await place.ask("POST", "servers", {"name": "b", "config": ENTRY})).status == 201
    for page in ("status", "servers", "config/effective"):
        answer = await place.ask("GET", page)
        assert answer.status == 200
        assert answer.headers["cache-control"] == "no-store"
        for secret in secrets:
            assert secret.encode() not in answer.body, (page, secret)
    shown = (await place.ask("GET", "config/effective")).json["servers"]
    assert shown["b"]["env"] == {"KEY": "[redacted]"}
    # The name of a secret is none.
    assert shown["web"]["headers"] == {"Authorization": "Bearer ${NAMED}", "X-Key": "[redacted]"}
    # What was shown may be sent back.
    assert (await place.ask("PATCH", "servers/b", {"config": shown["b"]})).status == 200
    assert json.loads(place.state.read_text())["servers"]["b"]["config"] == ENTRY
    other = {**shown["b"], "env": {"OTHER": "[redacted]"}}
    refused = await place.ask("PATCH", "servers/b", {"config": other})
    assert refused.status == 400
    assert "env.OTHER" in refused.json["error"]
    await place.close()


@real_loop()
async def test_adds_at_the_same_time_and_a_reload_lose_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever is changed over the interface stays while the file is read again and again.

    Weak spot L37 of callmux (npm).
    """
    place = Place(tmp_path, monkeypatch)

    async def reload() -> None:
        from callmux.config.sources import Sources

        await place.host.reload(lambda: place.reading.read(Sources()))

    async def add(name: str) -> int:
        return (await place.ask("POST", "servers", {"name": name, "config": {"command": name}})).status

    # More than one wave: each reload reads what is saved by then.
    for wave in ("b", "c"):
        names = [f"{wave}{n}" for n in range(4)]
        results = await asyncio.gather(*(add(name) for name in names), reload(), reload())
        assert [r for r in results if r is not None] == [201] * 4
    assert sorted(await place.tools()) == ["a", *(f"{w}{n}" for w in "bc" for n in range(4))]
    assert sorted(json.loads(place.state.read_text())["servers"]) == [
        f"{w}{n}" for w in "bc" for n in range(4)
    ]
    await place.close()


@real_loop()
async def test_what_it_says_of_itself_is_true(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each answer fits the schema that the OpenAPI document has for it."""
    place = Place(tmp_path, monkeypatch)
    document = (await place.ask("GET", "openapi.json")).json
    seen = set()
    for method, page, path, body in (
        ("GET", "status", "/status", None),
        ("GET", "config/effective", "/config/effective", None),
        ("GET", "servers", "/servers", None),
        ("POST", "servers", "/servers", {"name": "b", "config": ENTRY}),
        ("POST", "servers", "/servers", {"name": "c", "config": ENTRY, "dryRun": True}),
        ("POST", "servers", "/servers", {}),
        ("PATCH", "servers/b", "/servers/{name}", {"addTools": ["t"]}),
        ("PATCH", "servers/b", "/servers/{name}", {"addTools": ["u"], "dryRun": True}),
        ("POST", "servers/b/restart", "/servers/{name}/restart", None),
        ("POST", "servers/b/stop", "/servers/{name}/stop", {}),
        ("POST", "servers/b/start", "/servers/{name}/start", {"node": "n"}),
        ("GET", "nodes", "/nodes", None),
        ("POST", "cache/clear", "/cache/clear", {}),
        ("DELETE", "servers/b?dryRun=true", "/servers/{name}", None),
        ("DELETE", "servers/b", "/servers/{name}", None),
        ("DELETE", "servers/b", "/servers/{name}", None),
        ("GET", "openapi.json", "/openapi.json", None),
    ):
        answer = await place.ask(method, page, body)
        operation = document["paths"][path][method.lower()]
        schema = operation["responses"][str(answer.status)]["content"]["application/json"]["schema"]
        jsonschema.validate(answer.json, {**schema, "components": document["components"]})
        if body is not None and answer.status < 300:
            wanted = operation["requestBody"]["content"]["application/json"]["schema"]
            jsonschema.validate(body, {**wanted, "components": document["components"]})
        seen.add((path, method.lower()))
    described = {
        (path, method)
        for path, item in document["paths"].items()
        for method in item
        if method != "parameters"
    }
    assert seen == described
    await place.close()


@real_loop()
async def test_the_cache_is_cleared_for_everybody(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    place = Place(tmp_path, monkeypatch, cacheTtlSeconds=60)
    cleared = await place.ask("POST", "cache/clear", {"server": "a", "tool": "t"})
    assert cleared.json["action"] == "cache_cleared"
    assert (cleared.json["server"], cleared.json["tool"]) == ("a", "t")
    assert cleared.json["cache"]["entries"] == 0
    await place.close()


@real_loop()
async def test_what_fails_inside_is_told_without_a_trace(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = Place(tmp_path, monkeypatch)

    async def fail(*_: Any) -> None:
        raise CallmuxError("cannot be done")

    monkeypatch.setattr(place.host, "reload", fail)
    answer = await place.ask("POST", "servers", {"name": "b", "config": ENTRY})
    assert (answer.status, answer.json["error"]) == (400, "cannot be done")
    await place.close()


@real_loop()
async def test_paths_are_counted_by_what_they_mean(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    place = Place(tmp_path, monkeypatch)
    for page in ("servers/a", "servers/other", "servers/x/restart", "nonsense/1", "nonsense/2", "status"):
        await place.ask("GET", page)
    assert place.observers.totals is not None
    assert {path for _, path, _ in place.observers.totals.http} == {
        f"/management/v1/{rest}"
        for rest in ("servers/{server}", "servers/{server}/restart", "{unmatched}", "status")
    }
    await place.close()


@real_loop()
async def test_reads_at_the_start_wait_for_servers_for_a_while(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = Place(tmp_path, monkeypatch)
    assert (await place.ask("GET", "status")).json["runtime"]["status"] == "ok"
    await place.close()
    monkeypatch.setattr("callmux.management.changes.START_SECONDS", 0.0)
    place = Place(tmp_path, monkeypatch)
    # Whoever asks is not held up by a server that never comes.
    assert (await place.ask("GET", "status")).json["runtime"]["status"] in ("ok", "degraded")
    await place.close()


@real_loop()
async def test_orders_for_other_nodes_are_handed_on_and_all_nodes_are_listed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = Place(tmp_path, monkeypatch)
    assert (await place.ask("GET", "nodes")).json == {"nodes": []}
    alone = await place.ask("POST", "servers/a/stop", {"node": "far"})
    assert alone.status == 400
    assert "state.node" in alone.json["error"]
    assert (await place.ask("POST", "servers/a/stop", {"node": 5})).status == 400
    assert (await place.ask("POST", "servers/a/stop", {"order": "t"})).status == 400
    place.host.others = others = OtherNodes()
    told = await place.ask("POST", "servers/a/stop", {"node": "far"})
    assert told.json == {"action": "stopped", "server": "a", "state": "ordered", "nodes": ["far"]}
    assert (await place.ask("POST", "servers/a/restart")).json["nodes"] == ["far"]
    others.away = True
    alone = await place.ask("POST", "servers/a/restart")
    assert (alone.status, alone.json["problem"][:21]) == (200, "other nodes were not ")
    assert (await place.ask("POST", "servers/a/stop", {"node": "far"})).status == 400
    seen = {"nodes": [{"id": "n.1", "name": "n", "state": "up", "version": "1", "self": True}]}
    place.host.diagnostics = lambda: {"cluster": seen}
    assert (await place.ask("GET", "nodes")).json == seen
    await place.close()
