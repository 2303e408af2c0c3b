"""What many tools of one server say is said about the server."""

from __future__ import annotations

from callmux.metatools.homes import Homes


def homes(*servers: str) -> Homes:
    found = Homes()
    for server in servers:
        found.add(server)
    return found


def test_documents_know_their_server() -> None:
    known = homes("wiki", "shop", "wiki")
    assert (known.of, known.count) == ([0, 1, 0], 2)


def test_a_word_speaks_most_for_the_server_of_which_most_tools_have_it() -> None:
    spoken = homes("wiki", "wiki", "shop", "shop", "bank").speaks_for([0, 1, 2])
    assert list(spoken) == [0, 1]
    assert spoken[0] > spoken[1] > 0


def test_a_word_of_every_server_speaks_for_none_of_them_much() -> None:
    servers = homes("wiki", "shop", "bank", "post")
    assert servers.speaks_for([0])[0] > 3 * servers.speaks_for([0, 1, 2, 3])[0]


def test_a_word_of_no_tool_speaks_for_no_server() -> None:
    assert homes("wiki").speaks_for([]) == {}
