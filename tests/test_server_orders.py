"""An order says what is to be done with which server, and where."""

from __future__ import annotations

import pytest

from callmux.errors import InvalidArguments
from callmux.server_orders import ACTIONS, LONGEST, ServerOrder, read_order


def test_an_order_is_for_all_unless_it_names_a_node() -> None:
    assert ACTIONS == ("restart", "stop", "start")
    assert read_order("stop", "s", {}) == ServerOrder(action="stop", server="s", node="", token="")
    read = read_order("start", "s", {"node": "n1", "order": "t", "else": 5})
    assert (read.node, read.token) == ("n1", "t")


@pytest.mark.parametrize("key", ["node", "order"])
@pytest.mark.parametrize("value", ["", 5, None, ["n"], "x" * (LONGEST + 1)])
def test_a_node_is_a_text_with_something_in_it(key: str, value: object) -> None:
    with pytest.raises(InvalidArguments, match=f"{key} must be a text of 1 to"):
        read_order("stop", "s", {key: value})
