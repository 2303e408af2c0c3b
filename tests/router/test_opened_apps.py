"""A short name or address that several servers have means the one whose app was opened, where that is one."""

from __future__ import annotations

import gc
from typing import Any, cast

import pytest

from callmux.context import ClientPort
from callmux.router.opened_apps import OpenedApps
from callmux.upstream.resources import Place


class Port:
    """A client's request."""

    def __init__(self, session: object = None, *, lasting: bool = True) -> None:
        self.session: Any = self if session is None else session
        self.lasting = lasting


def port(session: object = None, *, lasting: bool = True) -> ClientPort:
    return cast(ClientPort, Port(session, lasting=lasting))


@pytest.mark.parametrize(
    ("read", "meant"),
    [
        ([], None),
        ([("a", "ui://x")], "a"),
        ([("b", "ui://y"), ("b", "ui://x"), ("c", "ui://x")], "b"),
        ([("a", "ui://x"), ("b", "ui://x")], None),
        ([("a", "skill://x"), ("b", "file:///ui://x")], None),
    ],
)
def test_the_server_of_the_only_page_is_meant(read: list[tuple[str, str]], meant: str | None) -> None:
    opened, session = OpenedApps(), Port()
    for server, uri in read:
        opened.note(port(session), Place(server, uri))
    assert opened.meant(port(session), ["a", "b", "a"]) == meant
    assert opened.meant(port(Port()), ["a", "b"]) is None


def test_nothing_is_remembered_of_a_session_that_is_lent() -> None:
    opened, session = OpenedApps(), Port()
    opened.note(port(session, lasting=False), Place("a", "ui://x"))
    assert opened.meant(port(session), ["a"]) is None
    opened.note(port(session), Place("a", "ui://x"))
    assert opened.meant(port(session), ["a"]) == "a"
    assert opened.meant(port(session, lasting=False), ["a"]) is None


def test_a_session_that_is_over_is_forgotten() -> None:
    opened, session = OpenedApps(), Port()
    opened.note(port(session), Place("a", "ui://x"))
    del session
    gc.collect()
    assert not opened._servers
