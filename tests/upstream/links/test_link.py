"""What a connection needs of its link: every link has it."""

from __future__ import annotations

import inspect
from types import SimpleNamespace
from typing import cast

import pytest

from callmux.upstream.links.child import ChildLink
from callmux.upstream.links.fallback import FallbackLink
from callmux.upstream.links.http import HttpLink
from callmux.upstream.links.link import Link, Listener, label_of, pid_of
from callmux.upstream.links.sse import SseLink
from tests.upstream.fake_link import FakeLink
from tests.upstream.modern_link import HttpModernLink

LINKS = [ChildLink, FallbackLink, HttpLink, SseLink, FakeLink]
MEMBERS = sorted(name for name in vars(Link) if not name.startswith("_"))


@pytest.mark.parametrize("link", LINKS)
def test_a_link_has_every_member_of_the_protocol(link: type) -> None:
    assert MEMBERS == ["abandon", "agreed", "close", "open", "send", "transport"]
    assert [name for name in MEMBERS if not hasattr(link, name)] == []


@pytest.mark.parametrize("link", LINKS)
def test_a_link_takes_what_the_protocol_gives_it_and_waits_where_it_does(link: type) -> None:
    for name in (name for name in MEMBERS if name != "transport"):
        asked, given = getattr(Link, name), getattr(link, name)
        assert list(inspect.signature(given).parameters) == list(inspect.signature(asked).parameters), name
        assert inspect.iscoroutinefunction(given) == inspect.iscoroutinefunction(asked), name


def test_links_of_one_kind_name_their_transport() -> None:
    assert [link.transport for link in (ChildLink, HttpLink, SseLink)] == ["stdio", "streamable-http", "sse"]


def test_a_listener_need_not_hear_of_expiry() -> None:
    listener = Listener(lambda message, id: None, lambda id, failure: None, lambda failure: None)
    assert listener.expired is None


def test_only_what_goes_over_http_has_headers() -> None:
    assert label_of(cast(Link, FakeLink())) is None
    labelled = HttpModernLink()
    assert label_of(cast(Link, labelled)) == labelled.label


def test_a_process_is_found_behind_the_links_in_front_of_it() -> None:
    process = SimpleNamespace(pid=7)
    assert pid_of(process) == pid_of(SimpleNamespace(link=SimpleNamespace(pid=None, link=process))) == 7
    assert pid_of(SimpleNamespace(link=FakeLink())) is None
    assert pid_of(SimpleNamespace(link=None)) is None
    assert pid_of(None) is None
