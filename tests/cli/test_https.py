"""A listener speaks https where its flags or its configuration say so, and goes on as it began."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest

from callmux.cli.https import Https
from callmux.config.model import Config
from callmux.config.security import Tls
from callmux.transport.http.certificates import CertificateUnusable
from tests.certificates import Authority


def _config(pair: tuple[Path, Path]) -> Config:
    return Config(tls=Tls(cert_file=str(pair[0]), key_file=str(pair[1])))


def test_without_a_certificate_it_is_http() -> None:
    https = Https(None, Config())
    assert (https.scheme, https.context, https.kept_fresh()) == ("http", None, None)


def test_flags_go_before_the_configuration(tmp_path: Path) -> None:
    cert, key = Authority(tmp_path).issue()
    https = Https((str(cert), str(key)), _config((tmp_path / "gone", tmp_path / "gone")))
    assert https.scheme == "https"
    with pytest.raises(CertificateUnusable):
        Https(None, _config((tmp_path / "gone", tmp_path / "gone")))


def test_a_reload_takes_other_files_and_neither_begins_nor_ends_https(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    authority = Authority(tmp_path)
    https = Https(None, _config(authority.issue("one")))
    with caplog.at_level(logging.INFO, "callmux"):
        https.configured(_config(authority.issue("two")))
        assert "new connections get the certificate in" in caplog.text
        https.configured(Config())
        assert "restart callmux to listen without a certificate" in caplog.text
        Https(None, Config()).configured(_config(authority.issue("three")))
        assert "restart callmux to listen with one" in caplog.text
    assert https.scheme == "https"
