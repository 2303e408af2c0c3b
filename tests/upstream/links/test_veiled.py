"""What a link says of its failures, without the secrets of its server."""

from __future__ import annotations

import json
from typing import Any

import pytest
from msgspec import Raw

from callmux.config.veil import Veil
from callmux.upstream import failures
from callmux.upstream.failures import CallFailure, Category
from callmux.upstream.links.link import Listener, label_of
from callmux.upstream.links.veiled import VeiledLink
from tests.upstream.fake_link import FakeLink
from tests.upstream.modern_link import HttpModernLink

VEIL = Veil(["s3ntinel"])


async def test_failures_of_all_kinds_are_told_without_secrets() -> None:
    heard: list[Any] = []
    link = FakeLink()
    veiled = VeiledLink(link, VEIL)
    listener = Listener(
        received=lambda message, id: heard.append("message"),
        failed=lambda id, failure: heard.append((id, failure.cause)),
        lost=lambda failure: heard.append(failure.cause),
        expired=lambda failure: heard.append(failure.cause),
    )
    await veiled.open(listener)
    assert link.listener is not None
    failure = CallFailure(Category.AUTHORIZATION, "not s3ntinel", started=False, over=True, lasting=True)
    link.listener.failed(7, failure)
    link.listener.expired and link.listener.expired(failure)
    link.listener.lost(failure)
    link.says({"id": 1, "result": {}})
    assert heard == [(7, "not [redacted]"), "not [redacted]", "not [redacted]", "message"]
    hidden = failure.behind(VEIL)
    assert {**vars(hidden), "cause": ""} == {**vars(failure), "cause": ""}


async def test_a_link_that_cannot_be_opened_says_so_without_secrets() -> None:
    link = FakeLink()
    link.opening = failures.lost('"run s3ntinel" is not there', started=False)
    nobody = Listener(lambda *_: None, lambda *_: None, lambda *_: None)
    with pytest.raises(CallFailure, match=r'"run \[redacted\]" is not there') as caught:
        await VeiledLink(link, VEIL).open(nobody)
    assert caught.value.started is False


def test_everything_else_passes_as_it_is() -> None:
    link = FakeLink()
    veiled = VeiledLink(link, VEIL)
    assert (veiled.transport, repr(veiled), veiled.last_words()) == ("fake", repr(link), [])
    assert veiled.send == link.send
    assert label_of(veiled) is None
    labelled = HttpModernLink()
    assert label_of(VeiledLink(labelled, VEIL)) == labelled.label


def test_a_servers_own_error_is_relayed_to_the_byte_unless_it_holds_a_secret() -> None:
    plain = Raw(b'{"code": -1,  "message":"TOKEN=abcd1234 is wrong", "data": 1.50}')
    assert failures.refused(plain, VEIL).raw == bytes(plain)
    failure = failures.refused(
        Raw(b'{"code":-1,"message":"not s3ntinel","data":{"s3ntinel":["s3ntinel",1,null]}}'), VEIL
    )
    assert failure.cause == "not [redacted]"
    assert json.loads(failure.raw or b"") == {
        "code": -1,
        "message": "not [redacted]",
        "data": {"[redacted]": ["[redacted]", 1, None]},
    }
    assert failure.rpc is not None
    assert failure.rpc.message == "not [redacted]"
