"""A client says how it can ask its person."""

from __future__ import annotations

import pytest

from callmux.protocol.elicitation import FORM, URL, modes


@pytest.mark.parametrize(
    ("capabilities", "expected"),
    [
        (b'{"elicitation":{}}', {FORM}),
        (b'{"elicitation":{"more":1}}', {FORM}),
        (b'{"elicitation":{"form":{}}}', {FORM}),
        (b'{"elicitation":{"form":{},"url":{}}}', {FORM, URL}),
        (b'{"elicitation":{"url":{}}}', {URL}),
        (b'{"elicitation":null}', set()),
        (b'{"elicitation":true}', set()),
        (b'{"elicitation":[]}', set()),
        (b"{}", set()),
        (b"[]", set()),
    ],
)
def test_a_client_can_do_what_it_says_and_forms_where_it_says_no_more(
    capabilities: bytes, expected: set[str]
) -> None:
    assert modes(capabilities) == expected
