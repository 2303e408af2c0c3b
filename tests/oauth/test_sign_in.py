"""A whole sign-in, against a real authorization server."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest

from callmux.config.oauth import OAuth
from callmux.config.servers import HttpServer
from callmux.oauth.failure import SignInFailed, Why
from callmux.oauth.sign_in import sign_in
from callmux.stores.sign_ins import Account, SignedIn
from callmux.stores.tokens import TokenStore
from tests.oauth.scene import Agreeing, Guarded, guarded
from tests.oauth.site import Seen, Site, site
from tests.support import real_loop


@pytest.fixture(scope="module")
def server() -> Iterator[Guarded]:
    with guarded() as found:
        yield found


@real_loop()
async def test_a_person_signs_in_and_the_tokens_are_kept(server: Guarded, tmp_path: Path) -> None:
    store, person = TokenStore(tmp_path / "tokens"), Agreeing()
    signed_in = await server.sign_in(store, person)
    kept = store.read(server.account())
    assert kept.signed_in == signed_in
    assert kept.generation == 1
    assert signed_in.tokens.access in server.control()["tokens"]
    assert signed_in.tokens.refresh in server.control()["tokens"]
    assert signed_in.asked == ("read",)
    assert signed_in.resource == server.url
    asked = parse_qs(urlsplit(person.opened[0]).query)
    assert asked["resource"] == [server.url]
    assert asked["code_challenge_method"] == ["S256"]
    assert store.path(server.account()).stat().st_mode & 0o777 == 0o600


@real_loop()
async def test_a_second_sign_in_takes_the_same_registration(server: Guarded, tmp_path: Path) -> None:
    store = TokenStore(tmp_path / "tokens")
    first = await server.sign_in(store)
    before = server.control()["register"]
    second = await server.sign_in(store)
    assert second.client == first.client
    assert server.control()["register"] == before
    assert store.read(server.account()).generation == 2


@real_loop()
async def test_with_another_port_callmux_registers_anew(server: Guarded, tmp_path: Path) -> None:
    store = TokenStore(tmp_path / "tokens")
    first = await server.sign_in(store)
    assert (await server.sign_in(store, Agreeing(4243))).client != first.client


@real_loop()
async def test_an_answer_with_another_state_is_refused_and_nothing_is_kept(
    server: Guarded, tmp_path: Path
) -> None:
    store = TokenStore(tmp_path / "tokens")
    person = Agreeing(change=lambda answer: answer.replace("state=", "state=x"))
    with pytest.raises(SignInFailed, match="another state") as caught:
        await server.sign_in(store, person)
    assert caught.value.why is Why.UNSAFE
    assert store.read(server.account()).signed_in is None


@real_loop()
async def test_whoever_says_no_is_told_so(server: Guarded, tmp_path: Path) -> None:
    def refuse(answer: str) -> str:
        return f"state={parse_qs(answer)['state'][0]}&error=access_denied&error_description=Not+today"

    with pytest.raises(SignInFailed, match=r"access_denied \(Not today\)"):
        await server.sign_in(TokenStore(tmp_path / "tokens"), Agreeing(change=refuse))


@real_loop()
async def test_a_file_of_tokens_holds_its_version(server: Guarded, tmp_path: Path) -> None:
    store = TokenStore(tmp_path / "tokens")
    await server.sign_in(store)
    assert json.loads(store.path(server.account()).read_text())["version"] == 1


class Answering(Agreeing):
    """A person for a scripted site: answers every request with a code."""

    async def authorize(self, url: str, state: str) -> str:
        self.opened.append(url)
        return f"state={state}&code=c0de"


class Leaving(Agreeing):
    """A person who does not come back."""

    async def authorize(self, url: str, state: str) -> str:
        raise SignInFailed("nobody came")


def scripted(there: Site) -> None:
    """A site that wants a sign-in and gives all that one needs."""
    there.described()
    there.answers["/mcp"] = (401, {"WWW-Authenticate": 'Bearer scope="read"'}, b"")
    there.answers["/register"] = {"client_id": "registered"}
    there.answers["/token"] = {"access_token": "at", "refresh_token": "rt", "expires_in": 60}


async def signed_in_at(
    there: Site, folder: Path, person: Agreeing | None = None, entry: HttpServer | None = None
) -> SignedIn:
    entry = entry or HttpServer(url=f"{there.url}/mcp")
    return await sign_in("s", entry, TokenStore(folder), person or Answering(), env={}, base_dir=folder)


@real_loop()
async def test_a_registration_that_was_forgotten_is_made_anew_in_the_same_sign_in(tmp_path: Path) -> None:
    async with site() as there:
        scripted(there)
        first = await signed_in_at(there, tmp_path)
        there.answers["/register"] = {"client_id": "again"}

        def knows_the_new_one(seen: Seen) -> object:
            if seen.form["client_id"] == "registered":
                return 401, {}, b'{"error":"invalid_client"}'
            return {"access_token": "new"}

        there.answers["/token"] = knows_the_new_one
        second = await signed_in_at(there, tmp_path)
        assert (first.client.id, second.client.id) == ("registered", "again")
        assert second.tokens.access == "new"


@real_loop()
async def test_a_new_registration_that_is_not_known_either_ends_the_attempt(tmp_path: Path) -> None:
    async with site() as there:
        scripted(there)
        there.answers["/token"] = (401, {}, b'{"error":"invalid_client"}')
        with pytest.raises(SignInFailed) as caught:
            await signed_in_at(there, tmp_path)
        assert caught.value.why is Why.CLIENT
        assert there.paths().count("/register") == 1


@real_loop()
async def test_after_a_failed_attempt_the_old_registration_is_not_relied_on(tmp_path: Path) -> None:
    """A person whose page says "unknown client" leaves, and nobody hears of it."""
    async with site() as there:
        scripted(there)
        await signed_in_at(there, tmp_path)
        with pytest.raises(SignInFailed, match="nobody came"):
            await signed_in_at(there, tmp_path, Leaving())
        there.answers["/register"] = {"client_id": "again"}
        assert (await signed_in_at(there, tmp_path)).client.id == "again"


def fill_the_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)


@real_loop()
async def test_a_full_disk_is_named_beside_what_ended_a_sign_in(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with site() as there:
        scripted(there)
        await signed_in_at(there, tmp_path)
        fill_the_disk(monkeypatch)
        with pytest.raises(SignInFailed) as caught:
            await signed_in_at(there, tmp_path, Leaving())
        assert "nobody came; and the registration cannot be forgotten" in caught.value.reason
        assert "No space" in caught.value.reason


class Damaging(Answering):
    """A person during whose sign-in the file of tokens is damaged."""

    def __init__(self, file: Path) -> None:
        super().__init__()
        self._file = file

    async def authorize(self, url: str, state: str) -> str:
        self._file.write_text("{")
        self._file.chmod(0o600)
        return await super().authorize(url, state)


@real_loop()
async def test_what_cannot_be_read_once_the_person_has_agreed_is_named(tmp_path: Path) -> None:
    async with site() as there:
        scripted(there)
        person = Damaging(TokenStore(tmp_path).path(Account("s", f"{there.url}/mcp")))
        with pytest.raises(SignInFailed, match="damaged") as caught:
            await signed_in_at(there, tmp_path, person)
        assert caught.value.why is Why.SETTINGS


@real_loop()
async def test_tokens_for_which_there_is_no_room_are_no_sign_in(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with site() as there:
        scripted(there)
        fill_the_disk(monkeypatch)
        with pytest.raises(SignInFailed, match="cannot be kept: No space"):
            await signed_in_at(there, tmp_path)


@real_loop()
async def test_without_pkce_nobody_is_sent_anywhere(tmp_path: Path) -> None:
    async with site() as there:
        scripted(there)
        there.described(code_challenge_methods_supported=None)
        person = Answering()
        with pytest.raises(SignInFailed, match="PKCE with S256") as caught:
            await signed_in_at(there, tmp_path, person)
        assert caught.value.why is Why.UNSAFE
        assert person.opened == []


@real_loop()
async def test_nobody_is_sent_to_a_page_where_the_server_may_send_nobody(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(self: object, url: str, what: str) -> None:
        raise SignInFailed(f"{what}: {url}", Why.UNSAFE)

    monkeypatch.setattr("callmux.oauth.web.Web.may_be_shown", refuse)
    async with site() as there:
        scripted(there)
        person = Answering()
        with pytest.raises(SignInFailed, match=f"the page to sign in: {there.url}/authorize"):
            await signed_in_at(there, tmp_path, person)
        assert person.opened == []


@real_loop()
async def test_an_authorization_server_without_a_page_is_named(tmp_path: Path) -> None:
    async with site() as there:
        scripted(there)
        there.described(authorization_endpoint=None)
        with pytest.raises(SignInFailed, match="has no page to sign in"):
            await signed_in_at(there, tmp_path)


@real_loop()
async def test_a_server_that_asks_for_nothing_needs_no_sign_in(tmp_path: Path) -> None:
    async with site() as there:
        there.answers["/mcp"] = (200, {}, b"{}")
        with pytest.raises(SignInFailed, match="asks for no sign-in"):
            await signed_in_at(there, tmp_path)


@real_loop()
async def test_a_code_of_a_device_ends_in_the_same_tokens(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with site() as there:
        scripted(there)
        there.described(device_authorization_endpoint=f"{there.url}/device")
        there.answers["/device"] = {
            "device_code": "dc",
            "user_code": "ABCD",
            "verification_uri": "https://id.example/device",
            "interval": 0.01,
        }
        person, oauth = Answering(), OAuth(grant="device_code")
        signed_in = await signed_in_at(
            there, tmp_path, person, HttpServer(url=f"{there.url}/mcp", oauth=oauth)
        )
        assert (signed_in.grant, signed_in.tokens.access) == ("device_code", "at")
        assert [code.user_code for code in person.shown] == ["ABCD"]
        assert person.opened == []
        assert there.seen[-1].form["device_code"] == "dc"


@real_loop()
async def test_a_configured_client_is_used_and_its_secret_is_not_kept(tmp_path: Path) -> None:
    async with site() as there:
        scripted(there)
        oauth = OAuth(client_id="me", client_secret="hush-secret-of-mine", scopes=("own",))
        entry = HttpServer(url=f"{there.url}/mcp", oauth=oauth)
        signed_in = await signed_in_at(there, tmp_path, entry=entry)
        assert signed_in.asked == ("own",)
        assert "/register" not in there.paths()
        assert "Basic" in there.seen[-1].headers["Authorization"]
        assert "hush" not in TokenStore(tmp_path).path(Account("s", entry.url)).read_text()


@real_loop()
async def test_nobody_can_be_asked_where_nobody_is(tmp_path: Path) -> None:
    async with site() as there:
        scripted(there)
        entry = HttpServer(url=f"{there.url}/mcp")
        with pytest.raises(SignInFailed, match="a person must sign in"):
            await sign_in("s", entry, TokenStore(tmp_path), None, env={}, base_dir=tmp_path)


@real_loop()
async def test_what_is_kept_and_cannot_be_read_is_named_before_anything_is_asked(tmp_path: Path) -> None:
    async with site() as there:
        scripted(there)
        account, store = Account("s", f"{there.url}/mcp"), TokenStore(tmp_path)
        store.path(account).write_text("{")
        store.path(account).chmod(0o600)
        with pytest.raises(SignInFailed, match="damaged"):
            await signed_in_at(there, tmp_path)
        assert there.seen == []


@real_loop()
async def test_an_authorization_server_that_replaces_another_gets_a_registration_of_its_own(
    tmp_path: Path,
) -> None:
    async with site() as old, site() as new:
        for there in (old, new):
            scripted(there)
        first = await signed_in_at(old, tmp_path)
        new.answers["/register"] = {"client_id": "of-the-new"}
        old.answers["/.well-known/oauth-protected-resource/mcp"] = {
            "resource": f"{old.url}/mcp",
            "authorization_servers": [new.url],
        }
        second = await signed_in_at(old, tmp_path)
        assert (first.issuer, second.issuer) == (old.url, new.url)
        assert second.client.id == "of-the-new"
        assert second.resource == f"{old.url}/mcp"


@real_loop()
async def test_refresh_tokens_are_asked_for_where_that_needs_a_scope(tmp_path: Path) -> None:
    async with site() as there:
        scripted(there)
        there.described(scopes_supported=["read", "offline_access"])
        assert (await signed_in_at(there, tmp_path)).asked == ("read", "offline_access")
