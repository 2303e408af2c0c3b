"""What the commands share."""

from __future__ import annotations

import pytest

from callmux.cli.console import labelled, pretty_json, print_json, print_lines, read_switches
from callmux.errors import UsageError


def test_json_has_two_blanks_and_keeps_its_characters(capsys: pytest.CaptureFixture[str]) -> None:
    assert pretty_json({"a": ["é"]}) == '{\n  "a": [\n    "é"\n  ]\n}'
    print_json({})
    print_lines(["x", "y"])
    assert capsys.readouterr().out == "{}\nx\ny\n"


def test_switches_are_known_or_refused() -> None:
    assert read_switches(["--json"], ["--json"], "u") == {"--json"}
    with pytest.raises(UsageError, match=r'Unknown option "--jsno" \(did you mean "--json"\?\)\. Usage: u'):
        read_switches(["--jsno"], ["--json"], "u")
    with pytest.raises(UsageError, match='Unknown argument "x"'):
        read_switches(["x"], ["--json"], "u")


def test_labelled_lines_leave_out_what_is_not_there() -> None:
    assert labelled({"a": 1, "b": None, "c": ["x", "y"], "d": []}) == ["  a: 1", "  c: x, y", "  d: (none)"]
