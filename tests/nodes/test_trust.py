"""Nodes that speak https with each other: what they show, and whom they believe."""

from __future__ import annotations

import ssl
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from callmux import Listener
from callmux.config.node import NodeTls
from callmux.errors import CallmuxError
from callmux.nodes.trust import Trust
from callmux.transport.http.certificates import CertificateUnusable
from tests.certificates import Authority
from tests.library.test_gateway import ENV
from tests.nodes.pair import KEY, nodes
from tests.redis_server import own_prefix
from tests.support import real_loop


def node_of(authority: Authority, *, ca: Path | None = None) -> dict[str, Any]:
    """The section of a node that shows a certificate of an authority."""
    cert, key = authority.issue()
    tls = {"certFile": str(cert), "keyFile": str(key), "caFile": str(ca or authority.file)}
    return {"listen": "localhost:0", "tls": tls}


@real_loop()
async def test_a_request_is_passed_on_over_https(redis_url: str, tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    async with nodes(redis_url, 2, node=node_of(authority)) as pair:
        address = pair.cluster(0).membership.facts.address
        assert address.startswith("https://localhost:")
        id = await pair.begin(0)
        assert (await pair.ask(1, 2, "ping", id)).status == 200
        assert pair.cluster(1).placing.counts["passedOn"] == 1
        # Nothing is said there in the clear.
        with pytest.raises(aiohttp.ClientError):
            await pair.http.post(address.replace("https", "http") + "/callmux/node")


@real_loop()
async def test_a_node_that_shows_a_certificate_of_somebody_else_is_sent_nothing(
    redis_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("callmux.nodes.placing.PATIENCE_SECONDS", 0.2)
    (tmp_path / "other").mkdir()
    other = Authority(tmp_path / "other")
    async with nodes(redis_url, 2, node=node_of(Authority(tmp_path), ca=other.file)) as pair:
        id = await pair.begin(0)
        answer = await pair.ask(1, 2, "ping", id)
        assert answer.status == 503
        assert "nothing was begun" in answer.text
        assert (await pair.ask(0, 3, "ping", id)).status == 200
    said = [
        record.getMessage() for record in caplog.records if "no request goes to node" in record.getMessage()
    ]
    assert len(said) == 1, "once is enough"
    assert "certificate" in said[0].lower()


def test_what_nodes_accept_is_not_older_than_tls_1_2(tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    cert, key = authority.issue()
    trust = Trust(NodeTls(cert_file=cert.name, key_file=key.name, ca_file="authority.pem"), tmp_path)
    for context in (trust.shown, trust.checked_by):
        assert context.minimum_version == ssl.TLSVersion.TLSv1_2
    assert trust.checked_by.verify_mode == ssl.CERT_REQUIRED
    assert trust.checked_by.check_hostname


@pytest.mark.parametrize("content", [None, "no certificate"])
def test_an_authority_that_cannot_be_read_is_named(tmp_path: Path, content: str | None) -> None:
    cert, key = Authority(tmp_path).issue()
    if content is not None:
        (tmp_path / "ca.pem").write_text(content)
    with pytest.raises(CertificateUnusable, match=r"ca\.pem cannot be used as state\.node\.tls\.caFile"):
        Trust(NodeTls(cert_file=cert.name, key_file=key.name, ca_file="ca.pem"), tmp_path)


@real_loop()
async def test_a_node_without_its_certificate_does_not_start(redis_url: str) -> None:
    node = {"listen": "127.0.0.1:0", "tls": {"certFile": "/gone.pem", "keyFile": "/gone.key"}}
    state = {"url": redis_url, "keyPrefix": own_prefix(), "key": "env:KEY", "node": node}
    with pytest.raises(CallmuxError, match=r"/gone\.pem cannot be read as the certificate"):
        await Listener({"servers": {}, "state": state}, env={**ENV, "KEY": KEY}).start()
