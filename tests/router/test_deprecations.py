"""What descriptions say of tools that should not be used any more."""

from __future__ import annotations

import pytest

from callmux.router.deprecations import discouraged, first_sentence


@pytest.mark.parametrize(
    ("description", "said"),
    [
        (
            "Reads a file. DEPRECATED: Use read_text instead. It is faster.",
            "deprecated: Use read_text instead",
        ),
        ("Request a withdrawal (Private, Deprecated by the bank)", "deprecated by the bank"),
        ("Old thing\nDeprecated since 2.0, use new", "deprecated since 2.0, use new"),
        ("deprecated tool, do not use", "deprecated tool, do not use"),
        ("Deprecated alias of foo", "deprecated alias of foo"),
        ("**Deprecated**: use x", "deprecated: use x"),
        ("\u26a0\ufe0f Deprecated. Use x instead", "deprecated: Use x instead"),
        ("[Deprecated] Lists the old pages. More.", "deprecated: Lists the old pages"),
        ("(deprecated)", "deprecated"),
        ("Old (deprecated)", "deprecated: Old"),
        ("Returns an icon. Icons are deprecated. So.", "Icons are deprecated"),
        ("This tool has been deprecated in favour of x", "This tool has been deprecated in favour of x"),
    ],
)
def test_what_a_server_says_of_a_tool_not_to_be_used_is_found(description: str, said: str) -> None:
    assert discouraged(description) == said


@pytest.mark.parametrize(
    "description",
    [
        "Checks whether packages are deprecated",
        "Lists packages that are deprecated. Fast.",
        "Removes deprecated features",
        "Lists pages by state (ACTIVE, DEPRECATED)",
        'One of "deprecated", "current"',
        "state: current|deprecated",
        "Reads a file",
        "",
    ],
)
def test_a_tool_that_is_about_deprecated_things_is_none(description: str) -> None:
    assert discouraged(description) is None


def test_an_abbreviation_does_not_end_a_sentence() -> None:
    assert first_sentence("E.g. a long way. To go.") == "E.g. a long way"
    assert first_sentence("One: ") == "One"
