"""The example issue tracker."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from callmux.demo.servers.tracker import FIRST, Tracker
from callmux.demo.servers.wire import ToolError


def test_issues_are_the_same_every_time() -> None:
    assert Tracker(30, None).get_issue({"number": 120}) == Tracker(30, None).get_issue({"number": 120})


def test_a_listing_holds_open_issues_only_unless_asked() -> None:
    tracker = Tracker(10, None)
    listing = tracker.list_issues({})
    assert isinstance(listing, dict)
    assert listing["total"] == 8
    assert {issue["state"] for issue in listing["issues"]} == {"open"}
    everything = tracker.list_issues({"state": "all", "limit": 3})
    assert isinstance(everything, dict)
    assert (everything["total"], len(everything["issues"])) == (10, 3)


def test_a_comment_is_kept_in_its_issue_and_on_disk(tmp_path: Path) -> None:
    tracker = Tracker(3, tmp_path / "comments.jsonl")
    comment = tracker.add_comment({"number": FIRST, "body": "Größe"})
    issue = tracker.get_issue({"number": FIRST})
    assert isinstance(issue, dict)
    assert issue["comments"] == [comment]
    assert json.loads((tmp_path / "comments.jsonl").read_text("utf-8")) == comment


def test_an_unknown_issue_is_an_error() -> None:
    with pytest.raises(ToolError, match="no issue 7"):
        Tracker(3, None).get_issue({"number": 7})
