"""Tokens of an issuer are good if it signed them, for us, for now; none says itself how to find out."""

from __future__ import annotations

import asyncio
import hmac
import json
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from joserfc.jwk import ECKey, RSAKey

from callmux.config.security import OidcAuth
from callmux.guard import oidc as module
from callmux.guard.grant import Grant, Undecided
from callmux.guard.issuer_keys import INTERVAL_SECONDS, NoDocument
from callmux.guard.oidc import Oidc
from callmux.tasks import TaskSet
from tests.guard.issuer import AUDIENCE, ISSUER, ec, part, public, rsa, token, turn
from tests.support import FakeClock, play

KEYS = "https://id.example/keys"


class Place:
    """A verifier whose issuer answers from `pages`."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, **more: Any) -> None:
        self.clock = FakeClock()
        self.pages: dict[str, bytes | None] = {KEYS: public(rsa(), ec(), ec("e3", "P-384"))}
        self.asked: list[str] = []
        auth = {"mode": "oidc_jwt", "issuer": ISSUER, "audience": (AUDIENCE,), "jwks_uri": KEYS, **more}
        self.oidc = Oidc(OidcAuth(**auth), self.clock.clock, TaskSet("test"))

        async def document(url: str, seconds: float) -> bytes:
            self.asked.append(url)
            page = self.pages.get(url)
            if page is None:
                raise NoDocument(f"{url} is not there")
            return page

        monkeypatch.setattr(module, "document", document)

    async def says(self, raw: bytes) -> Grant | None:
        grant = await self.oidc.examine(raw, turn)
        return grant if grant is not None and grant.holds(self.clock.clock.wall()) else None


@pytest.fixture
def scene(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    def played(story: Callable[[Place], Awaitable[None]], **more: Any) -> None:
        async def told() -> None:
            await story(Place(monkeypatch, **more))

        play(told())

    return played


def test_a_good_token_is_its_subject_with_scopes_groups_and_audiences(scene: Any) -> None:
    async def story(place: Place) -> None:
        raw = token(scope="mcp:read mcp:write", groups=["ops"], aud=[AUDIENCE, "crm"], nbf=1_699_999_000)
        grant = await place.says(raw)
        assert grant is not None
        assert grant.principal.names == (
            "oidc_jwt:ann",
            "id:ann",
            "kind:oidc_jwt",
            "subject:ann",
            "scope:mcp:read",
            "scope:mcp:write",
            "group:ops",
        )
        assert grant.audiences == (AUDIENCE, "crm")
        assert (grant.not_before, grant.expires) == (1_699_998_970, 1_700_000_330)

    scene(story)


@pytest.mark.parametrize(
    ("key", "alg"),
    [(rsa(), "RS256"), (ec(), "ES256"), (ec("e3", "P-384"), "ES384")],
    ids=["RSA", "P256", "P384"],
)
def test_every_configured_algorithm_is_checked_with_its_own_key(key: Any, alg: str, scene: Any) -> None:
    async def story(place: Place) -> None:
        good = token(key, alg=alg)
        assert await place.says(good) is not None
        head, _, signature = good.split(b".")
        assert (
            await place.says(
                b".".join(
                    [
                        head,
                        part({"iss": ISSUER, "aud": AUDIENCE, "sub": "bob", "exp": 1_700_000_300}),
                        signature,
                    ]
                )
            )
            is None
        )

    scene(story, algorithms=("RS256", "ES256", "ES384"))


def forged_by_public_key() -> bytes:
    """The oldest trick: the public key of RSA taken for a secret of HMAC."""
    claims = {"iss": ISSUER, "aud": AUDIENCE, "sub": "ann", "exp": 1_700_000_300}
    said = part({"alg": "HS256", "kid": "k1"}) + b"." + part(claims)
    return said + b"." + part(hmac.digest(rsa().as_pem(private=False), said, "sha256"))


def unsigned(alg: str, signature: bytes = b"") -> bytes:
    claims = {"iss": ISSUER, "aud": AUDIENCE, "sub": "ann", "exp": 1_700_000_300}
    return b".".join([part({"alg": alg, "kid": "k1"}), part(claims), signature])


MINE = RSAKey.generate_key(2048, {"kid": "k1"})
MY_EC = ECKey.generate_key("P-256", {"kid": "e1"})
ATTACKS: dict[str, bytes] = {
    "no signature": unsigned("none"),
    "no signature, written differently": unsigned("nOnE", b"AA"),
    "an empty signature": unsigned("RS256"),
    "a secret made of the public key": forged_by_public_key(),
    "another key under the same id": token(MINE),
    "an embedded key": token(MINE, head={"jwk": MINE.as_dict(private=False)}),
    "the address of a key set": token(MINE, head={"jku": "https://evil.example/keys"}),
    "the address of a certificate": token(MINE, head={"x5u": "https://evil.example/cert"}),
    "an embedded certificate": token(MINE, head={"x5c": ["MIIB"]}),
    "a key of another type under its id": token(MY_EC, alg="ES256", head={"kid": "k1"}),
    "a curve key for RSA": token(MY_EC, alg="ES256", head={"kid": "e1", "alg": "ES256"}),
    "an id that is a path": token(MINE, head={"kid": "../../../../dev/null"}),
    "an id that is SQL": token(MINE, head={"kid": "k1' UNION SELECT 'secret' --"}),
    "an id that is a URL": token(MINE, head={"kid": "https://evil.example/keys"}),
    "an id that is a command": token(MINE, head={"kid": "|id"}),
    "an id of thousands of letters": token(MINE, head={"kid": "k" * 5000}),
    "no id": token(rsa(), head={"kid": None}),
    "expired": token(exp=1_699_999_000),
    "not yet": token(nbf=1_700_001_000),
    "for somebody else": token(aud="other"),
    "of somebody else": token(iss="https://evil.example/"),
    "without an end": token(exp=None),
    "without a subject": token(sub=None),
    "for another purpose": token(head={"typ": "logout+jwt"}),
    "with something critical": unsigned("RS256").replace(
        part({"alg": "RS256", "kid": "k1"}), part({"alg": "RS256", "kid": "k1", "crit": ["x"]})
    ),
    "cut short": token()[:-10],
    "with another letter in the signature": token()[:-8] + b"AAAAAAAA",
    "encrypted": b"eyJhbGciOiJkaXIiLCJlbmMiOiJBMTI4R0NNIn0..a.b.c",
}


@pytest.mark.parametrize("name", ATTACKS)
def test_none_of_these_is_good_and_no_address_in_it_is_asked(name: str, scene: Any) -> None:
    async def story(place: Place) -> None:
        try:
            assert await place.says(ATTACKS[name]) is None
        except Undecided:
            assert name in ("expired", "not yet")
        assert set(place.asked) <= {KEYS}
        assert await place.says(token()) is not None, "and good ones still are"

    scene(story)


@pytest.mark.parametrize("alg", ["HS256", "none", "PS256", "EdDSA", "ES256K"])
def test_an_algorithm_that_is_not_configured_is_not_tried(alg: str, scene: Any) -> None:
    async def story(place: Place) -> None:
        assert await place.says(unsigned(alg, b"AAAA")) is None
        assert place.asked == [], "nothing is fetched for it"

    scene(story)


def test_a_token_that_cannot_be_good_costs_no_fetch(scene: Any) -> None:
    async def story(place: Place) -> None:
        for raw in (token(aud="other"), token(iss="x"), token(sub=None), b"a.b.c", token(exp=None)):
            assert await place.says(raw) is None
        with pytest.raises(Undecided):
            await place.says(token(exp=1))
        assert place.asked == []

    scene(story)


def test_a_token_of_a_withdrawn_key_holds_no_more(scene: Any) -> None:
    async def story(place: Place) -> None:
        grant = await place.says(token())
        assert grant is not None
        place.pages[KEYS] = public(rsa("k2"))
        place.clock.advance(INTERVAL_SECONDS)
        assert await place.says(token(rsa("k2"))) is not None
        assert not grant.holds(place.clock.clock.wall())
        assert await place.says(token()) is None

    scene(story)


def test_no_answer_of_the_issuer_is_no_verdict(scene: Any) -> None:
    """So that a good token is not remembered as a bad one."""

    async def story(place: Place) -> None:
        place.pages[KEYS] = None
        with pytest.raises(Undecided):
            await place.says(token())
        place.pages[KEYS] = public(rsa())
        place.clock.advance(INTERVAL_SECONDS)
        assert await place.says(token()) is not None

    scene(story)


def test_a_clock_that_jumps_is_believed_at_once(scene: Any) -> None:
    async def story(place: Place) -> None:
        grant = await place.says(token(nbf=1_700_000_000))
        assert grant is not None
        assert not grant.holds(1_700_000_330)
        assert not grant.holds(1_699_999_969)
        assert grant.holds(1_699_999_970)

    scene(story)


def test_scopes_that_are_needed_and_missing_are_named(scene: Any) -> None:
    async def story(place: Place) -> None:
        narrow, wide = await place.says(token(scope="a")), await place.says(token(scope="c b a"))
        assert narrow is not None
        assert wide is not None
        assert (narrow.lacks, wide.lacks) == (("b", "c"), ())

    scene(story, required_scopes=("a", "b", "c"))


WELL_KNOWN = "https://id.example/.well-known/openid-configuration"
OAUTH = "https://id.example/.well-known/oauth-authorization-server"


@pytest.mark.parametrize("place_of_metadata", [WELL_KNOWN, OAUTH])
def test_without_an_address_the_issuer_is_asked_where_its_keys_are(
    place_of_metadata: str, scene: Any
) -> None:
    async def story(place: Place) -> None:
        place.pages[place_of_metadata] = json.dumps({"issuer": ISSUER, "jwks_uri": KEYS}).encode()
        assert await place.says(token()) is not None
        assert place.asked[-1] == KEYS
        # The keys move: the next failure asks anew.
        moved = "https://id.example/new-keys"
        place.pages = {
            place_of_metadata: json.dumps({"issuer": ISSUER, "jwks_uri": moved}).encode(),
            moved: public(rsa("k2")),
        }
        place.clock.advance(INTERVAL_SECONDS)
        assert await place.says(token(rsa("k2"))) is None
        place.clock.advance(30)
        assert await place.says(token(rsa("k2"))) is not None

    scene(story, jwks_uri=None)


def test_metadata_of_another_issuer_gives_no_keys(scene: Any) -> None:
    async def story(place: Place) -> None:
        place.pages[WELL_KNOWN] = json.dumps({"issuer": "https://evil.example/", "jwks_uri": KEYS}).encode()
        with pytest.raises(Undecided):
            await place.says(token())
        assert KEYS not in place.asked

    scene(story, jwks_uri=None)


async def test_an_issuer_that_does_not_answer_holds_nobody_up_for_longer_than_configured(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    place = Place(monkeypatch, jwks_fetch_timeout_ms=1500)

    async def never(url: str, seconds: float) -> bytes:
        await asyncio.get_running_loop().create_future()
        raise AssertionError

    monkeypatch.setattr(module, "document", never)
    begun = asyncio.get_running_loop().time()
    with pytest.raises(Undecided):
        await place.says(token())
    assert asyncio.get_running_loop().time() - begun == pytest.approx(1.5)
