"""The examples of docs/approval.md, run against a real callmux and a server of the demo."""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path
from typing import Any

from callmux.config.check import check_document
from callmux.config.model import Config
from callmux.guard.consent import NEVER
from callmux.guard.question import ALL_LETTERS, MOST_CALLS, MOST_LETTERS
from callmux.rings.asking import Reach
from tests.live.harness import Client, callmux, error_of, text_of
from tests.live.test_documents import says
from tests.support import real_loop

PAGE = Path(__file__).parents[2] / "docs" / "approval.md"
TEXT = PAGE.read_text("utf-8")


def block(kind: str) -> str:
    (found,) = re.findall(rf"^```{kind}\n(.*?)^```", TEXT, re.DOTALL | re.MULTILINE)
    return str(found)


@real_loop()
async def test_the_example_asks_what_the_page_shows_and_refuses_as_it_says(tmp_path: Path) -> None:
    config = json.loads(block("json config"))
    for server in config["servers"].values():
        server["command"] = sys.executable
    path = tmp_path / "callmux.json"
    path.write_text(json.dumps(config))

    # The home of a user is no project.
    async with callmux(tmp_path, "--config", path, env={"HOME": str(tmp_path / "home")}) as client:
        await client.initialize(capabilities={"elicitation": {}})
        refused = await client.call("write_note", {"name": "shopping", "content": "milk"})
        (question,) = client.asked
        assert question["params"]["message"] == block("text").strip()
        enum = question["params"]["requestedSchema"]["properties"]["decision"]["enum"]
        rows = re.findall(r"^\| `(once|session|project|deny)` \|", TEXT, re.MULTILINE)
        assert enum == rows
        assert says({"error": error_of(refused)}, json.loads(block("json error")))
        await reads(client)


async def reads(client: Client) -> None:
    """What reads is not asked about."""
    listed = await client.call("callmux_call", {"tool": "list_notes"})
    assert json.loads(text_of(listed)) == {"notes": []}
    assert len(client.asked) == 1


def test_the_page_has_the_limits_that_hold() -> None:
    assert f"up to {MOST_LETTERS} letters for each call and {ALL_LETTERS} for all" in TEXT
    assert f"of more than {MOST_CALLS} calls" in TEXT
    assert Config().approval_timeout_ms == 5 * 60 * 1000
    assert "(5 minutes by default)" in TEXT


def test_the_page_names_everything_that_is_not_asked_about() -> None:
    words = {"completion/complete": "Completion", "resources/subscribe": "subscriptions"}
    words["resources/unsubscribe"] = "subscriptions"
    assert all(words.get(method, method) in TEXT for method in NEVER)


def test_the_page_names_every_way_to_ask() -> None:
    section = TEXT.partition("## Who is asked")[2].partition("\n## ")[0]
    assert len(re.findall(r"^\d\. \*\*", section, re.MULTILINE)) == len(Reach)


def test_every_entry_of_the_table_is_one_that_the_configuration_takes() -> None:
    rows = re.findall(r'^\| (`".*?)\|', TEXT, re.MULTILINE)
    entries: list[Any] = [entry for row in rows for entry in re.findall(r'`"(.*?)"`', row)]
    assert {"read", "write", "destroy"} < set(entries)
    checked = check_document({"servers": {}, "approve": entries})
    assert (checked.errors, checked.config.approve) == ([], tuple(entries))
