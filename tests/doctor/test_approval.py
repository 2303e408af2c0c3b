"""What `approve` names has to be there, or nobody is ever asked about it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from callmux.config.check import check_document
from callmux.doctor.approval import idle_entries
from tests.doctor.test_checks import answering, failing, report_on

LISTED = {"gh": ["delete_repo", "x" * 60], "fs": ["read"]}


def idle(*entries: str, listed: Any = None, **servers: Any) -> list[str]:
    entry = {"command": "x"}
    document = {
        "servers": {"gh": {**entry, "prefix": "hub"}, "fs": entry, **servers},
        "approve": list(entries),
    }
    checked = check_document(document)
    assert not checked.errors
    return idle_entries(checked.config, LISTED if listed is None else listed)


@pytest.mark.parametrize(
    "entry",
    [
        "write",
        "gh__delete_*",
        "hub__delete_repo",
        "delete_repo",
        "*",
        "fs__*",
        "fs__resources/read",
        "xxx*_*",
    ],
)
def test_what_is_there_is_fine(entry: str) -> None:
    assert idle(entry) == []


@pytest.mark.parametrize("entry", ["gh__delet_*", "hubs__*", "delete", "read_*", "fs__delete_repo"])
def test_what_fits_nothing_is_named(entry: str) -> None:
    assert idle("write", entry) == [f'approve[1]: no tool is called "{entry}", so nobody is asked about it']


def test_where_a_server_does_not_answer_nobody_knows() -> None:
    assert idle("nothing", listed={"gh": []}) == []
    assert len(idle("nothing", off={"command": "x", "disabled": True})) == 1


def test_doctor_warns(tmp_path: Path) -> None:
    servers = {"a": {"command": "true"}}
    assert "approve[0]" in report_on(tmp_path, servers, answering("t"), approve=["u"]).warnings[-1]
    assert report_on(tmp_path, servers, answering("t"), approve=["t"]).warnings == []
    assert report_on(tmp_path, servers, failing, approve=["u"]).warnings == []
