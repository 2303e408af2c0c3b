"""The approval of one process, as commands see it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from callmux.clock import Clock
from callmux.config.check import check_document
from callmux.config.model import Config
from callmux.errors import ApprovalUnavailable, InvalidArguments
from callmux.guard.approvals import Asker, Need, Ruling, Subject
from callmux.process.approval import Approval


def approval(path: Path | None) -> Approval:
    return Approval(path, lambda: True, single=True, clock=Clock())


def wait(approval: Approval, ruled: list[Ruling], directory: str | None = None) -> str:
    need = Need(subject=Subject("gh", "tools/call", "delete", "d"), tier="destroy", arguments=b'{"a":1}')
    asker = Asker(session=ruled_session, directory=directory)
    return approval.approvals.put([need], asker, 60.0, ruled.append).id


class _Session:
    pass


ruled_session = _Session()


def test_what_waits_is_told_with_its_calls(tmp_path: Path) -> None:
    made = approval(tmp_path)
    id = wait(made, [])
    (shown,) = made.waiting()["waiting"]
    assert shown["id"] == id
    assert shown["calls"] == [{"server": "gh", "tool": "delete", "tier": "destroy", "arguments": '{"a":1}'}]


@pytest.mark.parametrize(("choice", "allowed"), [("once", True), ("project", True), ("deny", False)])
def test_an_answer_says_what_it_was_about(tmp_path: Path, choice: str, allowed: bool) -> None:
    made, ruled = approval(tmp_path), list[Ruling]()
    answer = made.answer(wait(made, ruled, "/p"), choice)
    assert answer["allowed"] is allowed
    assert answer["calls"][0]["tool"] == "delete"
    assert [ruling.allowed for ruling in ruled] == [allowed]
    assert (tmp_path / "approvals.json").exists() == (choice == "project")


@pytest.mark.parametrize(("id", "choice"), [(None, "once"), (1, "once"), ("a", None), ("a", 1)])
def test_an_answer_has_an_id_and_a_choice(tmp_path: Path, id: Any, choice: Any) -> None:
    with pytest.raises(InvalidArguments):
        approval(tmp_path).answer(id, choice)
    with pytest.raises(ApprovalUnavailable):
        approval(tmp_path).answer("a", "once")


def test_without_a_place_nothing_is_offered_for_a_project() -> None:
    made = approval(None)
    wait(made, [], "/p")
    assert made.waiting()["waiting"][0]["choices"] == ["once", "session", "deny"]


def test_another_program_under_the_same_name_is_another_server(tmp_path: Path) -> None:
    """What was approved of one is not approved of the other."""

    def definition(**entry: Any) -> str:
        checked = check_document({"servers": {"s": entry}, "approve": ["write"]})
        config: Config = checked.config
        nowhere: Any = None
        return approval(tmp_path).stages(config, nowhere, nowhere, nowhere).asking.definition("s", None)

    kinds = [
        definition(command="a"),
        definition(command="b"),
        definition(command="a", args=["--prod"]),
        definition(command="a", cwd="/x"),
        definition(url="http://one/mcp"),
        definition(url="http://two/mcp"),
    ]
    assert len(set(kinds)) == len(kinds)
    assert definition(command="a", disabled=False, callTimeoutMs=5) == kinds[0]
