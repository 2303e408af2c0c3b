"""`state.node`: what it may say."""

from __future__ import annotations

from typing import Any

import pytest

from callmux.config.check import check_document
from callmux.config.node import LONGEST_NAME, NodeSection, read_address, read_name, read_place

STATE = {"url": "redis://a", "key": "env:KEY"}
TLS = {"certFile": "c.pem", "keyFile": "c.key"}


def errors(**node: Any) -> list[str]:
    return check_document({"servers": {}, "state": {**STATE, "node": node}}).errors


def test_a_node_is_where_the_others_reach_it() -> None:
    found = check_document({"servers": {}, "state": {**STATE, "node": {"listen": "10.0.0.1:4870"}}})
    assert found.errors == found.warnings == []
    assert found.config.state is not None
    assert found.config.state.node == NodeSection(listen="10.0.0.1:4870")


def test_nodes_need_a_secret() -> None:
    found = check_document({"servers": {}, "state": {"url": "redis://a", "node": {"listen": "a:1"}}})
    assert found.errors[0].startswith("state.key is required with node")


def test_nodes_with_certificates_are_reached_by_https() -> None:
    assert errors(listen="a:1", address="https://a:1", tls=TLS) == []
    assert errors(listen="a:1", tls={**TLS, "caFile": "ca.pem"}) == []


def test_variables_are_looked_at_later() -> None:
    assert errors(listen="${NODE}", address="http://${POD_IP}:4870") == []


@pytest.mark.parametrize(
    ("node", "problem"),
    [
        ({}, "state.node.listen"),
        ({"listen": "4870"}, 'state.node.listen must be "HOST:PORT"'),
        ({"listen": "a:b"}, 'state.node.listen must be "HOST:PORT"'),
        ({"listen": "a:70000"}, 'state.node.listen must be "HOST:PORT"'),
        ({"listen": "a:1", "address": "a:1"}, 'state.node.address must be "http://HOST:PORT"'),
        ({"listen": "a:1", "address": "http://a:1/x"}, 'state.node.address must be "http://HOST:PORT"'),
        ({"listen": "a:1", "address": "https://a:1"}, "state.node.address is https: give the certificate"),
        (
            {"listen": "a:1", "address": "http://a:1", "tls": TLS},
            "state.node.address must be https: this node",
        ),
        ({"listen": "a:1", "tls": {"certFile": "c"}}, "state.node.tls.keyFile"),
        ({"listen": "a:1", "address": "ftp://a:1"}, 'state.node.address must be "http://HOST:PORT"'),
        *(
            ({"listen": "a:1", "address": address}, 'state.node.address must be "http://HOST:PORT"')
            for address in ("http://a", "http://a:0", "http://a:70000", "http://[a:1", "http://u:p@a:1")
        ),
        ({"listen": "a:1", "name": "a\nb: c"}, "state.node.name must be 1 to 100 characters"),
        ({"listen": "a:1", "name": "n" * 101}, "state.node.name must be 1 to 100 characters"),
    ],
)
def test_what_cannot_be_is_named(node: dict[str, Any], problem: str) -> None:
    assert errors(**node)[0].startswith(problem)


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("127.0.0.1:0", ("127.0.0.1", 0)),
        ("[::1]:4870", ("::1", 4870)),
        (" A:1 ", ("a", 1)),
        ("[0:0::0]:4870", ("::", 4870)),
        ("[FE80::1%eth0]:1", ("fe80::1%eth0", 1)),
        ("[no:address]:1", ("no:address", 1)),
    ],
)
def test_a_place_is_a_host_and_a_port(text: str, place: tuple[str, int]) -> None:
    assert read_place(text) == place


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("http://[::1]:4870/", "http://[::1]:4870"),
        (" HTTP://Node.Example:04870 ", "http://node.example:4870"),
        ("https://[2001:DB8:0:0::1]:443//", "https://[2001:db8::1]:443"),
        ("http://a:80/?#", "http://a:80"),
    ],
)
def test_an_address_has_one_spelling(text: str, address: str) -> None:
    assert read_address(text) == read_address(address) == address


@pytest.mark.parametrize("name", ["a", "Küche 2", "n" * LONGEST_NAME])
def test_a_name_has_no_blanks_around_it(name: str) -> None:
    assert read_name(f" {name} ") == name
    assert errors(listen="a:1", name=name) == []
