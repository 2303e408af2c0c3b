"""What the commands share."""

from __future__ import annotations

import pytest

from callmux.cli.console import labelled, pretty_json, print_json, print_lines


def test_json_has_two_blanks_and_keeps_its_characters(capsys: pytest.CaptureFixture[str]) -> None:
    assert pretty_json({"a": ["é"]}) == '{\n  "a": [\n    "é"\n  ]\n}'
    print_json({})
    print_lines(["x", "y"])
    assert capsys.readouterr().out == "{}\nx\ny\n"


def test_labelled_lines_leave_out_what_is_not_there() -> None:
    assert labelled({"a": 1, "b": None, "c": ["x", "y"], "d": []}) == ["  a: 1", "  c: x, y", "  d: (none)"]
