"""A code that a person enters elsewhere: asked for, shown, and waited for at the pace that is asked for."""

from __future__ import annotations

import json
from typing import Any

import pytest

from callmux.oauth import device
from callmux.oauth.device import DeviceCode, code_for, read_code, wait_for_tokens
from callmux.oauth.failure import SignInFailed, Why
from callmux.oauth.metadata import ServerMetadata
from callmux.oauth.web import Web, WebReply
from callmux.stores.sign_ins import OAuthClient
from tests.oauth.site import Answer, Seen, Site, site
from tests.support import real_loop

CLIENT = OAuthClient(id="me")
ANSWER = {
    "device_code": "hush-device",
    "user_code": "ABCD-EFGH",
    "verification_uri": "https://id.example/device",
    "verification_uri_complete": "https://id.example/device?c=ABCD-EFGH",
    "expires_in": 600,
    "interval": 2,
}


def server(there: Site, **more: Any) -> ServerMetadata:
    facts: dict[str, Any] = {"device_endpoint": f"{there.url}/device", **more}
    return ServerMetadata(issuer=there.url, token_endpoint=f"{there.url}/token", **facts)


@real_loop()
async def test_a_code_is_asked_for_with_scopes_and_resource() -> None:
    async with site() as there, Web(f"{there.url}/mcp") as web:
        there.answers["/device"] = ANSWER
        code = await code_for(web, server(there), CLIENT, ("a", "b"), "r")
        assert (code.user_code, code.interval, code.seconds) == ("ABCD-EFGH", 2.0, 600.0)
        assert there.seen[0].form == {"resource": "r", "scope": "a b", "client_id": "me"}
        assert "hush" not in repr(code)


@real_loop()
async def test_where_there_are_no_codes_it_says_so() -> None:
    async with site() as there, Web(f"{there.url}/mcp") as web:
        with pytest.raises(SignInFailed, match="has no device codes"):
            await code_for(web, server(there, device_endpoint=""), CLIENT, (), "r")
        there.answers["/device"] = (400, {}, b'{"error":"invalid_client"}')
        with pytest.raises(SignInFailed) as caught:
            await code_for(web, server(there), CLIENT, (), "r")
        assert caught.value.why is Why.CLIENT


@pytest.mark.parametrize("field", ["verification_uri", "verification_uri_complete"])
@real_loop()
async def test_nobody_is_sent_to_a_private_address_by_a_public_server(
    field: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def post(*_: object) -> WebReply:
        return WebReply(200, json.dumps({**ANSWER, field: "https://192.168.1.1/"}).encode(), "")

    async with Web("https://93.184.216.34/mcp") as web:
        monkeypatch.setattr(web, "post", post)
        metadata = ServerMetadata(issuer="i", token_endpoint="t", device_endpoint="https://id.example/device")
        with pytest.raises(SignInFailed, match="private address"):
            await code_for(web, metadata, CLIENT, (), "r")


@pytest.mark.parametrize("said", [{"interval": 0}, {"interval": True}, {"interval": "5"}, {"interval": None}])
def test_a_pace_that_cannot_be_read_is_five_seconds(said: dict[str, Any]) -> None:
    assert read_code(json.dumps({**ANSWER, **said}).encode()).interval == 5.0


def test_a_pace_and_a_life_are_bounded() -> None:
    code = read_code(json.dumps({**ANSWER, "interval": 1e9, "expires_in": 1e9}).encode())
    assert (code.interval, code.seconds) == (60.0, 1800.0)


@pytest.mark.parametrize(
    ("body", "why"),
    [
        (b"<html>", "no JSON object"),
        (json.dumps({**ANSWER, "user_code": ""}).encode(), "lacks a code"),
        (json.dumps({**ANSWER, "verification_uri": "http://id.example/"}).encode(), "https"),
        (json.dumps({**ANSWER, "verification_uri_complete": "javascript:x"}).encode(), "cannot be read"),
    ],
)
def test_an_answer_that_no_person_should_follow_is_refused(body: bytes, why: str) -> None:
    with pytest.raises(SignInFailed, match=why):
        read_code(body)


async def nothing() -> str:
    return ""


async def waited(there: Site, monkeypatch: pytest.MonkeyPatch, *answers: Any, seconds: float = 600.0) -> Any:
    """What comes of waiting while the token endpoint answers so; and the pauses."""
    pauses: list[float] = []
    left = list(answers)

    async def sleep(pause: float) -> None:
        pauses.append(pause)

    def answer(seen: Seen) -> Any:
        return left.pop(0)

    there.answers["/token"] = answer
    monkeypatch.setattr(device.asyncio, "sleep", sleep)  # type: ignore[attr-defined]
    code = DeviceCode(
        user_code="A", url="https://x/", complete_url="", seconds=seconds, interval=2.0, secret="d"
    )
    async with Web(f"{there.url}/mcp") as web:
        return await wait_for_tokens(web, server(there), CLIENT, code, "r", (), lambda: 1.0, nothing), pauses


PENDING: Answer = (400, {}, b'{"error":"authorization_pending"}')
SLOWER: Answer = (400, {}, b'{"error":"slow_down"}')


@real_loop()
async def test_the_pace_slows_down_where_it_is_asked_to(monkeypatch: pytest.MonkeyPatch) -> None:
    async with site() as there:
        tokens, pauses = await waited(
            there, monkeypatch, PENDING, SLOWER, PENDING, (503, {}, b""), {"access_token": "at"}
        )
        assert tokens.access == "at"
        assert pauses == [2.0, 2.0, 7.0, 7.0, 12.0]


@real_loop()
async def test_a_person_who_says_no_ends_it(monkeypatch: pytest.MonkeyPatch) -> None:
    async with site() as there:
        with pytest.raises(SignInFailed, match="access_denied"):
            await waited(there, monkeypatch, PENDING, (400, {}, b'{"error":"access_denied"}'))


@real_loop()
async def test_a_code_that_nobody_enters_expires(monkeypatch: pytest.MonkeyPatch) -> None:
    async with site() as there:
        with pytest.raises(SignInFailed, match="in time"):
            await waited(there, monkeypatch, *[PENDING] * 10_000, seconds=0.2)


def test_a_number_beyond_all_bounds_is_the_longest_that_is_waited() -> None:
    code = read_code(json.dumps({**ANSWER, "expires_in": 10**400, "interval": 10**400}).encode())
    assert (code.seconds, code.interval) == (device.LONGEST_SECONDS, device.MOST_INTERVAL)
