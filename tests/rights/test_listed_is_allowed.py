"""What is listed is exactly what may be called: for random rules, profiles and clients."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.interaction.raw_server import Json
from tests.support import run

from .vault import LONG, answer, called, scene

NAMES = ["get", "put", "drop", "big", "job", LONG, "ask", "plan", "kept.txt"]
PIECES = st.sampled_from(
    ["vault__", "v__", "open__", "*", "*__", "file:///", *NAMES, "g*", "p*t", "callmux_*"]
)
PATTERNS = st.lists(st.lists(PIECES, min_size=1, max_size=3).map("".join), max_size=3)
PRINCIPALS = st.lists(
    st.sampled_from(["*", "bearer:dev", "bearer:ops", "id:*", "scope:s", "group:g", "kind:oidc_jwt"]),
    max_size=2,
)
RULES = st.lists(
    st.fixed_dictionaries(
        {"effect": st.sampled_from(["allow", "deny"])},
        optional={
            "tools": PATTERNS,
            "principals": PRINCIPALS,
            "tiers": st.lists(st.sampled_from(["read", "write", "destroy"]), max_size=2),
        },
    ),
    min_size=1,
    max_size=4,
)
EFFECTS = st.sampled_from(["allow", "deny"])
PROFILE = st.fixed_dictionaries(
    {},
    optional={
        "servers": st.lists(st.sampled_from(["vault", "open", "*"]), max_size=2),
        "tools": PATTERNS,
        "rules": RULES,
        "defaultEffect": EFFECTS,
    },
)
WHO = st.fixed_dictionaries(
    {"id": st.sampled_from(["dev", "ops"])},
    optional={"scopes": st.just(("s",)), "groups": st.just(("g", "h"))},
)
ALL_TOOLS = [f"{shown}__{name}" for shown in ("v", "open") for name in ("get", "put", "drop", "big", "job")]


@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(rules=RULES, effect=EFFECTS, profile=PROFILE, profiled=st.booleans(), who=WHO)
def test_lists_search_and_status_show_what_may_be_called_and_nothing_else(
    rules: Json, effect: str, profile: Json, profiled: bool, who: Any
) -> None:
    async def play() -> None:
        authorization = {"defaultEffect": effect, "rules": rules}
        async with scene(authorization=authorization, profiles={"p": profile}) as s:
            client = await s.client(profile="p" if profiled else "", **who)
            listed = set(items(await answer(client, "tools/list"), "tools", "name"))
            # The long one is listed under a short name.
            shown = {name for name in listed if not name.startswith("callmux_") and LONG[:8] not in name}
            assert shown == {name for name in ALL_TOOLS if allowed(await called(client, name))}
            through = [await called(client, "callmux_call", {"tool": name}) for name in ALL_TOOLS]
            reached = {name for name, said in zip(ALL_TOOLS, through, strict=True) if allowed(said)}
            assert reached == (shown if "callmux_call" in listed else set())
            if "callmux_search_tools" in listed:
                found = await called(client, "callmux_search_tools", {"query": "", "limit": 50})
                hits = {name for name in ALL_TOOLS if f'\\"{name}\\"' in found}
                assert hits == shown
            for name in ("callmux_get_result", "callmux_status", "callmux_cache_clear"):
                assert (name in listed) == allowed(await called(client, name, {"ref": "r"}))
            for kind, key, use, argument in OFFERS:
                seen = set(items(await answer(client, f"{kind}/list"), kind, key))
                for name in every(kind):
                    assert (name in seen) == allowed(await answer(client, use, {argument: name})), name

    run(play(), 60)


OFFERS = [
    ("prompts", "name", "prompts/get", "name"),
    ("resources", "uri", "resources/read", "uri"),
]


def every(kind: str) -> list[str]:
    if kind == "prompts":
        return [f"{shown}__{name}" for shown in ("v", "open") for name in ("ask", "plan")]
    return ["file:///vault/kept.txt", "file:///open/kept.txt"]


def items(text: str, kind: str, key: str) -> list[str]:
    """The names in a list; none where rules leave nothing: then that is said."""
    said = json.loads(text)
    if "error" in said:
        assert said["error"]["code"] == -32003
        assert said["error"]["data"]["code"].startswith("authorization_")
        return []
    return [item[key] for item in said["result"][kind]]


def allowed(text: str) -> bool:
    return "authorization_" not in text
