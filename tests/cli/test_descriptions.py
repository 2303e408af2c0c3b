"""An option is described with its value, its choices and what holds without it."""

from __future__ import annotations

from callmux.cli.descriptions import chosen, option_help, option_words
from callmux.cli.grammar.terms import Option


def test_an_option_is_written_with_its_value() -> None:
    assert option_words(Option("--port", "where to listen", value="PORT")) == "--port PORT"
    assert option_words(Option("--json", "as JSON")) == "--json"


def test_its_help_says_all_that_it_may_be() -> None:
    option = Option("--mode", "how", value="M", choices=("a", "b"), repeat=True, default="a")
    assert option_help(option) == "how: a, b; repeatable (a)"
    assert option_help(Option("--json", "as JSON")) == "as JSON"
    assert (chosen("how", ("a", "b")), chosen("how", ())) == ("how: a, b", "how")
