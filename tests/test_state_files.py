"""Files that callmux keeps are read by later releases: each form stands here as release 0.1.0 wrote it."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest

from callmux.clients import ledger
from callmux.clients.changes import ChangeFailed, undo
from callmux.config.load import saved_overlay
from callmux.errors import ConfigError
from callmux.guard.projects import Projects
from callmux.observe.history_file import read_history
from callmux.session.saved_sessions import SavedSession, SavedSessions, session_key, take
from callmux.stores.sign_ins import Account, Tokens
from callmux.stores.tokens import TokenStore, TokensUnreadable
from callmux.upstream.inventory.listings import Listing, Listings
from callmux.upstream.leftovers import Container, containers


def test_sessions_that_a_listener_left(tmp_path: Path) -> None:
    (tmp_path / "sessions-4860.json").write_text(
        '{"ended":["#dGVzdA"],"legacies":{"id":{"log_level":"debug","subscriptions":["file:///a"]}},"floor":12.5}'
    )
    saved = SavedSession(log_level="debug", subscriptions=["file:///a"])
    assert take(tmp_path, 4860) == SavedSessions(ended=["#dGVzdA"], sessions={"id": saved}, floor=12.5)


def test_the_key_of_session_ids(tmp_path: Path) -> None:
    (tmp_path / "session.key").write_bytes(bytes(range(32)))
    assert session_key(tmp_path) == bytes(range(32))


def test_what_a_server_listed(tmp_path: Path) -> None:
    path = tmp_path / "kept.json"
    path.write_text(
        '{"tools":[{"name":"a"}],"items":{"prompts/list":[{"name":"p"}]},"capabilities":{"tools":{}},'
        '"instructions":"Read me.","serverInfo":{"name":"s"},"beside":{},"others":{}}'
    )
    found = Listing(path).recall()
    assert found is not None
    assert [tool.raw for tool in found[0]] == [b'{"name":"a"}']
    assert found[1].instructions == "Read me."


def test_a_new_release_looks_for_a_listing_where_the_last_one_kept_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    here = Listings(Path("/kept")).of("facts", b"{}")
    monkeypatch.setattr("callmux.__version__", "0.2.0")
    assert vars(Listings(Path("/kept")).of("facts", b"{}"))["_path"] == vars(here)["_path"]


def test_what_a_killed_process_was_running() -> None:
    line = '+ ["callmux-s-0-1",["docker","ps"],["docker","stop"],["docker","rm"],{"HOME":"/h"},"/d"]\n'
    container = Container(
        "callmux-s-0-1", ["docker", "ps"], ["docker", "stop"], ["docker", "rm"], {"HOME": "/h"}, "/d"
    )
    assert containers([line]) == [container]
    assert containers([line, "- callmux-s-0-1\n"]) == []


def test_decisions_for_projects(tmp_path: Path) -> None:
    path = tmp_path / "approvals.json"
    decision = {"directory": "/p", "principal": "", "server": "s", "method": "tools/call", "target": "t"}
    whole = {"version": 1, "decisions": [{**decision, "definition": "d", "decided": "2026-01-01T00:00:00Z"}]}
    path.write_text(json.dumps(whole))
    path.chmod(0o600)
    assert [known.target for known in Projects(path).all()] == ["t"]
    path.write_text(json.dumps({**whole, "version": 2}))
    assert Projects(path).all() == []
    assert not Projects(path).usable


def test_sign_ins_to_remote_servers(tmp_path: Path) -> None:
    account = Account("notes", "https://notes.example/mcp")
    client = {"id": "me", "method": "none", "redirect_uri": "http://127.0.0.1:4242/callback"}
    tokens = {"access": "a", "refresh": "r", "expires_at": 5.5, "scopes": ["x"]}
    place = {"issuer": "https://id.example", "token_endpoint": "https://id.example/token"}
    named = {"server": "notes", "url": "https://notes.example", "owner": ""}
    signed_in = {**place, "client": client, "tokens": tokens}
    kept = {"generation": 3, "signed_in": signed_in, "registered": ["https://id.example", client]}
    path = TokenStore(tmp_path).path(account)
    path.write_text(json.dumps({"version": 1, "account": named, "kept": kept}))
    path.chmod(0o600)
    found = TokenStore(tmp_path).read(account)
    assert found.generation == 3
    assert found.signed_in is not None
    assert found.signed_in.tokens == Tokens(access="a", refresh="r", expires_at=5.5, scopes=("x",))
    path.write_text(json.dumps({"version": 2, "account": named, "kept": kept}))
    with pytest.raises(TokensUnreadable, match="newer callmux"):
        TokenStore(tmp_path).read(account)


def test_servers_that_were_changed_while_callmux_ran(tmp_path: Path) -> None:
    path = tmp_path / "callmux.json.management.json"
    servers = {"a": {"config": {"command": "x"}}, "b": {"deleted": True}}
    whole = {"version": 1, "servers": servers, "updatedAt": "2026-01-01T00:00:00Z"}
    path.write_text(json.dumps(whole))
    assert saved_overlay(path).entries == {"a": {"command": "x"}, "b": None}
    path.write_text(json.dumps({**whole, "version": 2}))
    with pytest.raises(ConfigError):
        saved_overlay(path)


def test_counts_of_the_dashboard(tmp_path: Path) -> None:
    path, counted = tmp_path / "callmux-metrics.json", {"calls": 3, "bytesIn": 9}
    tiers = {name: {"buckets": [[1_700_000_000_000, counted]]} for name in ("minute", "fiveMin", "hour")}
    server = {"calls": 3, "lastCallAt": 1_700_000_000_000}
    whole = {"version": 1, "startedAt": 1000, "aggregate": counted, "servers": {"s": server}, "tiers": tiers}
    path.write_text(json.dumps(whole))
    history = read_history(path, 1_700_000_060.0)
    assert (history.totals()["calls"], history.servers()[0]["calls"]) == (3, 3)
    path.write_text(json.dumps({**whole, "version": 2}))
    assert read_history(path, 1_700_000_060.0).totals()["calls"] == 0


def test_entries_that_are_ours() -> None:
    raw = {"command": "callmux"}
    digest = hashlib.sha256(b'{"command":"callmux"}').hexdigest()
    kept = json.dumps({"version": 1, "files": {"/f": {"callmux": digest}}})
    assert ledger.knows(kept, "/f", "callmux", raw)
    assert not ledger.knows(kept, "/f", "callmux", {"command": "other"})


def test_backups_of_clients_files(tmp_path: Path) -> None:
    folder = tmp_path / "backup"
    folder.mkdir()
    target = tmp_path / "mcp.json"
    target.write_bytes(b"new")
    (folder / "0").write_bytes(b"old")
    item = {"path": str(target), "target": str(target), "existed": True, "mode": 0o644}
    item |= {"written": hashlib.sha256(b"new").hexdigest(), "paths": [], "removed": []}
    listed = {"version": 2, "files": [item], "made": []}
    (folder / "list.json").write_text(json.dumps(listed))
    with pytest.raises(ChangeFailed, match="newer callmux"):
        undo(folder)
    assert target.read_bytes() == b"new"
    (folder / "list.json").write_text(json.dumps({**listed, "version": 1}))
    undo(folder)
    assert target.read_bytes() == b"old"
