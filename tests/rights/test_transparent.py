"""In front of one server, with nothing added, rules hold all the same: by every name, listed or not."""

from __future__ import annotations

import pytest

from tests.interaction.bench import TRANSPARENT, bench
from tests.interaction.raw_server import Json
from tests.support import real_loop

from .vault import answer, called, effects, full, principal


@real_loop()
@pytest.mark.parametrize(
    "rule", [{"tools": ["alone__put", "alone__unlisted"]}, {"tools": ["put", "unlisted"]}]
)
@pytest.mark.parametrize("name", ["put", "alone__put", "unlisted"])
async def test_a_direct_call_is_refused_before_it_reaches_the_server(rule: Json, name: str) -> None:
    alone = full("alone")
    rules = {"defaultEffect": "allow", "rules": [{"effect": "deny", **rule}]}
    async with bench(alone, single=False, authorization=rules, **TRANSPARENT) as made:
        client = made.client()
        client.session.facts.principal = principal("dev")
        await client.greet()
        assert "authorization_denied" in await called(client, name)
        assert '"put"' not in await answer(client, "tools/list")
        assert effects(alone) == []
        assert "alone" in await called(client, "get")
