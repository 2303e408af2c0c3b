"""Certificates are read, refused with a reason, and read again when they change."""

from __future__ import annotations

import logging
import ssl
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from callmux.tasks import TaskSet
from callmux.transport.http import certificates
from callmux.transport.http.certificates import Certificates, CertificateUnusable, Pair
from tests.certificates import Authority
from tests.support import run, until

NOW = datetime.now(UTC)


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path)


def shown(context: ssl.SSLContext, authority: Authority) -> str:
    """The name in the certificate that a client sees, over no network."""
    client = ssl.create_default_context(cafile=str(authority.file))
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    server_side = context.wrap_bio(to_server, to_client, server_side=True)
    client_side = client.wrap_bio(to_client, to_server, server_hostname="localhost")
    for _ in range(5):
        for side in (client_side, server_side):
            try:
                side.do_handshake()
            except ssl.SSLWantReadError:
                continue
    subject = (client_side.getpeercert() or {})["subject"]
    return str(dict(pair for entry in subject for pair in entry)["commonName"])  # type: ignore[misc]


def test_a_good_pair_is_shown_with_nothing_older_than_tls_1_2(authority: Authority) -> None:
    context = Certificates(Pair(*authority.issue("one"))).context
    assert shown(context, authority) == "one"
    assert context.minimum_version == ssl.TLSVersion.TLSv1_2


def test_a_chain_is_shown_whole(authority: Authority) -> None:
    cert, key = authority.issue()
    cert.write_bytes(cert.read_bytes() + authority.own)
    assert shown(Certificates(Pair(cert, key)).context, authority) == "server"


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ("no certificate", "gone.pem cannot be read as the certificate: No such file"),
        ("no key", "gone.key cannot be read as the key: No such file"),
        ("a directory", "cannot be read as the certificate: Is a directory"),
        ("swapped", "server.key holds no certificate in PEM"),
        ("not PEM", "server.pem holds no certificate in PEM"),
        ("no private key", "server.key holds no private key in PEM"),
        ("another key", "other.key does not fit the certificate in"),
        ("password", "sealed.key has a password: give one without"),
        ("expired", "old.pem expired on 20"),
        ("not yet", "new.pem is valid from 20"),
        ("chain first", "server.pem must begin with the certificate of this server"),
        ("huge", "server.pem is too large for a certificate"),
    ],
)
def test_what_cannot_be_used_is_named_with_its_reason(
    wrong: str, words: str, authority: Authority, tmp_path: Path
) -> None:
    cert, key = authority.issue()
    if wrong == "no certificate":
        cert = tmp_path / "gone.pem"
    elif wrong == "no key":
        key = tmp_path / "gone.key"
    elif wrong == "a directory":
        cert = tmp_path
    elif wrong == "swapped":
        cert, key = key, cert
    elif wrong == "not PEM":
        cert.write_bytes(b"-----BEGIN CERTIFICATE-----\nnonsense\n-----END CERTIFICATE-----\n")
    elif wrong == "no private key":
        key.write_bytes(cert.read_bytes())
    elif wrong == "another key":
        key = authority.issue("other")[1]
    elif wrong == "password":
        cert, key = authority.issue("sealed", password=b"secret")
    elif wrong == "expired":
        cert, key = authority.issue("old", begins=timedelta(days=-9), ends=timedelta(seconds=-5))
    elif wrong == "not yet":
        cert, key = authority.issue("new", begins=timedelta(days=1))
    elif wrong == "chain first":
        cert.write_bytes(authority.own + cert.read_bytes())
    else:
        cert.write_bytes(b"x" * (certificates.MAX_BYTES + 1))
    with pytest.raises(CertificateUnusable) as refused:
        Certificates(Pair(cert, key))
    assert words in refused.value.message


def test_a_key_that_others_can_read_and_a_near_end_are_warned_about(
    authority: Authority, caplog: pytest.LogCaptureFixture
) -> None:
    cert, key = authority.issue(ends=timedelta(days=3))
    key.chmod(0o644)
    with caplog.at_level(logging.WARNING, "callmux"):
        Certificates(Pair(cert, key))
    assert f"{key} can be read by other users: chmod 600 it" in caplog.text
    assert f"the certificate in {cert} expires on 20" in caplog.text


def test_the_end_of_a_certificate_goes_by_the_clock_that_is_given(authority: Authority) -> None:
    pair = Pair(*authority.issue(ends=timedelta(days=30)))
    Certificates(pair, lambda: NOW + timedelta(days=29))
    with pytest.raises(CertificateUnusable, match="expired"):
        Certificates(pair, lambda: NOW + timedelta(days=31))


def test_a_new_pair_is_used_and_a_bad_one_leaves_the_old(
    authority: Authority, caplog: pytest.LogCaptureFixture
) -> None:
    own = Certificates(Pair(*authority.issue("one")))
    with caplog.at_level(logging.INFO, "callmux"):
        own.renew(Pair(*authority.issue("two")))
        assert shown(own.context, authority) == "two"
        own.renew(Pair(authority.issue("three")[0], authority.issue("four")[1]))
    assert "not renewed, the one before goes on" in caplog.text
    assert shown(own.context, authority) == "two"


def test_files_that_change_are_read_again_once_both_fit(
    authority: Authority, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(certificates, "LOOK_SECONDS", 0.01)

    async def scene() -> None:
        cert, key = authority.issue("one")
        own = Certificates(Pair(cert, key))
        tasks = TaskSet("test")
        tasks.spawn(own.keep_fresh())
        try:
            new_cert, new_key = authority.issue("two")
            new_cert.replace(cert)
            await until(lambda: "not renewed" in caplog.text, "the half pair to be refused")
            assert shown(own.context, authority) == "one"
            new_key.replace(key)
            await until(lambda: shown(own.context, authority) == "two", "the new certificate")
        finally:
            await tasks.cancel()

    with caplog.at_level(logging.INFO, "callmux"):
        run(scene())
    assert caplog.text.count("not renewed") == 1
