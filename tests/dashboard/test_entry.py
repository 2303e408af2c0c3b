"""Signing in at the dashboard, and what must come with each change."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from callmux import __version__
from callmux.config.sources import Sources
from callmux.dashboard import entry
from callmux.guard import browsers
from tests.dashboard.tab import CLIENTS, DEV, HOST, OPS, SAME, Tab
from tests.management.place import TOKEN, Place
from tests.support import real_loop, until
from tests.transport.http.asgi import Call

ON = {"enabled": True}


def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, **more: Any) -> Place:
    return Place(tmp_path, monkeypatch, **{"dashboard": ON, "auth": CLIENTS, **more})


@real_loop()
async def test_a_token_signs_a_browser_in_until_it_signs_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    here = place(tmp_path, monkeypatch)
    tab = Tab(here)
    stranger = await tab.session()
    assert (stranger["authRequired"], stranger["signedIn"]) == (True, False)
    assert stranger["may"] == dict.fromkeys(("look", "call", "steer", "manage", "approve"), False)
    assert "version" not in stranger
    assert (await tab.get("/data")).status == 401
    refused = await tab.sign_in("no-such-token")
    assert (refused.status, "set-cookie" in refused.headers) == (401, False)
    answer = await tab.sign_in(OPS)
    assert answer.json["principal"] == "bearer:ops"
    assert answer.json["version"] == __version__
    assert answer.json["may"]["look"]
    assert answer.json["may"]["call"]
    assert not answer.json["may"]["manage"]
    assert "management.auth" in answer.json["why"]["manage"]
    cookie = answer.headers["set-cookie"]
    assert cookie.endswith("; HttpOnly; SameSite=Strict")
    assert cookie.startswith("callmux-browser-4860=")
    assert answer.headers["cache-control"] == "no-store"
    assert (await tab.get("/data")).status == 200
    before = tab.cookie
    out = await tab.post("/sign-out")
    assert (out.status, "Max-Age=0" in out.headers["set-cookie"]) == (200, True)
    assert (await tab.get("/data")).status == 401
    tab.cookie = before
    assert (await tab.get("/data")).status == 401
    assert (await tab.post("/sign-out")).status == 200
    await here.close()


@real_loop()
async def test_a_cookie_is_for_https_where_the_browser_speaks_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Behind a proxy that speaks https the browser itself says so, and proxies that are trusted do."""
    abuse = {"trustedProxies": ["127.0.0.1"]}
    here = place(tmp_path, monkeypatch, abuseControls=abuse)
    tab = Tab(here)
    seen = {"x-forwarded-host": "tools.example", "x-forwarded-proto": "https"}
    page = {"origin": "https://tools.example", "sec_fetch_site": ""}

    async def asked(**headers: str) -> Any:
        client = ("127.0.0.1", 5)
        monkeypatch.setattr("tests.management.place.Call", lambda *a: _from(client, *a))
        return await tab.post("/sign-in", {"token": OPS}, **headers)

    answer = await asked(**{**seen, **page})
    assert (answer.status, answer.headers["set-cookie"].endswith("Secure")) == (200, True)
    assert (await asked(**page)).status == 403
    assert (await asked(**{**seen, **page, "origin": "https://evil.example"})).status == 403
    assert (
        await asked(**{**seen, "x-forwarded-host": "evil.example", "origin": "https://evil.example"})
    ).status == 200
    plain = await asked()
    assert "Secure" not in plain.headers["set-cookie"]
    await here.close()


def _from(client: tuple[str, int], *given: Any) -> Any:
    call = Call(*given)
    call.scope["client"] = client
    return call


@real_loop()
async def test_each_kind_of_token_adds_to_what_a_browser_may(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    here = place(tmp_path, monkeypatch)
    tab = Tab(here)
    only = (await tab.sign_in(TOKEN)).json
    assert (only["principal"], only["may"]["call"], only["may"]["manage"]) == ("management:ops", False, True)
    first = tab.cookie
    both = (await tab.sign_in(OPS)).json
    assert (both["principal"], both["may"]["call"], both["may"]["manage"]) == ("bearer:ops", True, True)
    assert tab.cookie != first
    tab.cookie, kept = first, tab.cookie
    assert (await tab.get("/data")).status == 401
    tab.cookie = kept
    assert (await tab.session())["may"]["approve"] is True
    await here.close()


@real_loop()
async def test_an_address_of_a_command_is_good_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    here = place(tmp_path, monkeypatch)
    tab = Tab(here)
    answer = await tab.enter()
    assert (answer.status, answer.headers["location"]) == (303, "./")
    assert answer.headers["referrer-policy"] == "no-referrer"
    assert answer.headers["cache-control"] == "no-store"
    session = await tab.session()
    assert session["principal"] == "operator:me"
    assert all(session["may"].values())
    assert (await tab.enter(person=False)).status == 303
    assert here.guard.visitors is not None
    for query in ("", "?code=", "?code=made-up"):
        stranger = Tab(here)
        late = await stranger.get(f"/enter{query}")
        assert (late.status, late.headers["location"]) == (303, "./#sign-in=expired")
        assert stranger.cookie == ""
    await here.close()


@real_loop()
async def test_a_code_is_taken_by_whoever_shows_it_first_and_never_fetched_ahead(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("DEBUG")
    here = place(tmp_path, monkeypatch)
    visitors = here.guard.visitors
    assert visitors is not None
    from callmux.guard.principal import Principal

    def code() -> str:
        me = Principal(kind="operator", id="me")
        return visitors.browsers.new_code(me, visitors._clock.monotonic(), person=False)

    tab, other, made = Tab(here), Tab(here), code()
    for header in ("sec_purpose", "purpose"):
        ahead = await tab.get(f"/enter?code={made}", **{header: "prefetch;prerender"})
        assert (ahead.status, tab.cookie) == (403, "")
    assert (await tab.get(f"/enter?code={made}")).headers["location"] == "./"
    assert (await other.get(f"/enter?code={made}")).headers["location"] == "./#sign-in=expired"
    assert (await other.post("/sign-in", {"code": made})).status == 401
    assert other.cookie == ""
    again = code()
    answer = await other.post("/sign-in", {"code": again})
    assert (answer.status, answer.json["principal"]) == (200, "operator:me")
    assert answer.json["may"]["approve"] is False
    assert "terminal" in answer.json["why"]["approve"]
    shown = (await tab.get("/data")).body.decode() + caplog.text
    assert made not in shown
    assert again not in shown
    assert here.observers.chronicle is not None
    await here.close()


@real_loop()
async def test_an_old_code_is_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    here = place(tmp_path, monkeypatch)
    monkeypatch.setattr(browsers, "CODE_SECONDS", 0.0)
    tab = Tab(here)
    assert (await tab.enter()).headers["location"] == "./#sign-in=expired"
    assert tab.cookie == ""
    await here.close()


@real_loop()
async def test_a_cookie_that_somebody_planted_becomes_nobodys(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Fixation: whoever signs in gets a cookie that was never there before."""
    here = place(tmp_path, monkeypatch)
    attacker, victim = Tab(here), Tab(here)
    victim.cookie = planted = "callmux-browser-4860=" + "p" * 43
    await victim.sign_in(OPS)
    assert victim.cookie != planted
    attacker.cookie = planted
    assert (await attacker.get("/data")).status == 401
    await attacker.sign_in(DEV)
    own, victim.cookie = attacker.cookie, attacker.cookie
    await victim.sign_in(OPS)
    attacker.cookie = own
    assert (await attacker.get("/data")).status == 401
    await here.close()


FORGED = [
    ({"sec_fetch_site": "cross-site"}, 401),
    ({"sec_fetch_site": "same-site", "origin": "http://localhost:3000"}, 401),
    ({"sec_fetch_site": "", "origin": "http://localhost:3000"}, 401),
    ({"sec_fetch_site": "", "origin": "http://evil.example"}, 403),
    ({"x_callmux_csrf": "made-up"}, 403),
    ({"x_callmux_csrf": ""}, 403),
    ({"content_type": "text/plain"}, 415),
    ({"content_type": "application/x-www-form-urlencoded"}, 415),
    ({"content_type": ""}, 415),
]


@pytest.mark.parametrize(("headers", "status"), FORGED)
@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("POST", "/call", {"name": "t"}),
        ("POST", "/cancel", {"id": "x"}),
        ("POST", "/approve", {"id": "x", "answer": "allow"}),
        ("POST", "/manage/servers", {"name": "b", "config": {"command": "b"}}),
        ("POST", "/manage/servers/a/restart", {}),
        ("POST", "/manage/servers/a/stop", {"node": "n"}),
        ("POST", "/manage/servers/a/start", {}),
    ],
)
@real_loop()
async def test_no_page_of_another_origin_changes_anything(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    headers: dict[str, str],
    status: int,
    method: str,
    path: str,
    body: Any,
) -> None:
    here = place(tmp_path, monkeypatch)
    tab = Tab(here)
    await tab.enter()
    opened = list(here.opened)
    refused = await tab.post(path, body, method, **headers)
    assert refused.status == status, refused.body
    assert here.opened == opened
    await here.close()


@real_loop()
async def test_the_token_of_another_page_is_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    here = place(tmp_path, monkeypatch)
    tab, other, stranger = Tab(here), Tab(here), Tab(here)
    await tab.sign_in(OPS)
    await other.sign_in(DEV)
    await stranger.session()
    for csrf in (other.csrf, stranger.csrf):
        refused = await tab.post("/call", {"name": "t"}, x_callmux_csrf=csrf)
        assert (refused.status, "fetch that again" in refused.json["error"]) == (403, True)
    assert (await tab.post("/sign-out", x_callmux_csrf="")).status == 403
    assert (await tab.get("/data")).status == 200
    await here.close()


@real_loop()
async def test_nobody_reads_what_is_of_the_page_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A page of another port on this machine may ask `/mcp`. Of the dashboard it learns nothing, and it has
    no work done there; links lead to the page alone."""
    here = Place(tmp_path, monkeypatch, dashboard=ON)
    for path in ("/session", "/data", "/events", "/latency?range=30d", "/manage/servers"):
        for site, origin in (("cross-site", "http://localhost:3000"), ("same-site", "")):
            answer = await Tab(here).get(path, origin=origin, sec_fetch_site=site)
            assert answer.status == 403
            assert "access-control-allow-origin" not in answer.headers
    for path, status in (("", 200), ("/enter?code=none", 303)):
        linked = await Tab(here).get(path, accept="text/html", sec_fetch_site="cross-site")
        assert linked.status == status
    await here.close()


@real_loop()
async def test_without_auth_the_page_changes_what_its_clients_may_and_no_more(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    here = Place(tmp_path, monkeypatch, dashboard=ON)
    tab = Tab(here)
    assert (await tab.post("/call", {"name": "t"})).status == 403
    session = await tab.session()
    assert (session["authRequired"], session["signedIn"]) == (False, False)
    assert session["may"] == {"look": True, "call": True, "steer": False, "manage": False, "approve": False}
    assert (await tab.post("/call", {"name": "t"})).json["status"] == "ok"
    refused = await tab.post("/manage/servers", {"name": "b", "config": {"command": "b"}})
    assert (refused.status, "management.auth" in refused.json["error"]) == (403, True)
    await tab.sign_in(TOKEN)
    added = await tab.post("/manage/servers", {"name": "b", "config": {"command": "b"}})
    assert added.json == {"action": "added", "server": "b"}
    assert (await tab.session())["principal"] == "management:ops"
    await here.close()


@real_loop()
async def test_a_browser_ends_with_its_token(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    here = place(tmp_path, monkeypatch)
    tab = Tab(here)
    await tab.sign_in(OPS)
    here.write({**here.document, "auth": {**CLIENTS, "tokens": CLIENTS["tokens"][1:]}})
    await here.host.reload(lambda: here.reading.read(Sources()))
    assert (await tab.get("/data")).status == 401
    await here.close()


@pytest.mark.parametrize(
    "body", [b"", b"[]", b"{", b'{"token": 1}', b'{"x":' + b"[" * 9000 + b"]" * 9000 + b"}"]
)
@real_loop()
async def test_what_is_no_sign_in_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, body: bytes
) -> None:
    here = place(tmp_path, monkeypatch)
    assert (await Tab(here).post("/sign-in", body)).status == 400
    await here.close()


@real_loop()
async def test_a_sign_in_that_does_not_come_holds_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(entry, "BODY_SECONDS", 0.01)
    here = place(tmp_path, monkeypatch)
    call = Call("POST", "/dashboard/sign-in", {"host": HOST, **SAME, "content-type": "application/json"})
    call.scope["headers"].append((b"content-length", b"100"))
    await call.receive()
    await here.app(call.scope, call.receive, call.send)
    assert (call.status, "did not come" in call.json["error"]) == (408, True)
    assert call.headers["connection"] == "close"
    await here.close()


@real_loop()
async def test_a_token_of_other_letters_is_good_and_a_wrong_one_stands_in_no_log(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    good, wrong = "schlüssel-鍵-12345", "falscher-鍵-12345"
    tokens = {"mode": "bearer", "tokens": [{"id": "ops", "token": good}]}
    here = place(tmp_path, monkeypatch, auth=tokens)
    assert (await Tab(here).sign_in(wrong)).status == 401
    assert (await Tab(here).sign_in(good)).json["principal"] == "bearer:ops"
    assert "鍵" not in caplog.text
    await here.close()


@real_loop()
async def test_who_signed_in_is_logged_and_a_stream_ends_with_the_browser(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    import asyncio

    from callmux.dashboard import pages
    from tests.transport.http.asgi import Call

    caplog.set_level("INFO")
    monkeypatch.setattr(pages, "KEEPALIVE_SECONDS", 0.01)
    here = place(tmp_path, monkeypatch)
    tab = Tab(here)
    await tab.sign_in(OPS)
    assert "signed in to the dashboard as bearer:ops" in caplog.text
    call = Call(
        "GET",
        "/dashboard/events",
        {"host": HOST, "cookie": tab.cookie, "sec-fetch-site": "same-origin"},
        query=b"events=0",
    )
    task = asyncio.ensure_future(here.app(call.scope, call.receive, call.send))
    await call.until_sent(b"event: snapshot")
    assert b'"events"' not in call.body
    await tab.post("/sign-out")
    await until(lambda: call.complete, "the end of the stream")
    await task
    await here.close()


@real_loop()
async def test_with_a_credential_in_a_header_a_program_needs_no_page(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    here = place(tmp_path, monkeypatch)
    answer = await here.ask("POST", "/dashboard/call", {"name": "t"}, OPS)
    assert (answer.status, answer.json["status"]) == (200, "ok")
    assert (await here.ask("POST", "/dashboard/cancel", {"id": "x"}, OPS)).status == 403
    assert (await here.ask("POST", "/dashboard/call", {"name": "t"}, None)).status == 401
    await here.close()
