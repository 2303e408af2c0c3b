"""A listener refuses to be open to everybody."""

from __future__ import annotations

import logging
from typing import Any

import pytest

from callmux.config.check import check_document
from callmux.config.model import Config
from callmux.errors import CallmuxError
from callmux.serving.posture import check_posture


def config(**more: Any) -> Config:
    checked = check_document({"servers": {}, **more})
    assert checked.errors == []
    return checked.config


@pytest.mark.parametrize("host", ["127.0.0.1", "::1", "[::1]", "localhost"])
def test_this_machine_is_safe_to_listen_on(host: str) -> None:
    check_posture(config(), host)


def test_other_machines_are_refused_unless_the_configuration_allows_them(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(logging.getLogger("callmux"), "propagate", True)
    for host in ("0.0.0.0", "::", "example.com"):
        with pytest.raises(CallmuxError, match="Refusing insecure remote listener"):
            check_posture(config(), host)
    check_posture(config(allowInsecureRemoteListener=True), "0.0.0.0")
    assert "without auth" in caplog.text


def test_with_auth_it_listens_anywhere() -> None:
    token = {"id": "ops", "token": "t"}
    check_posture(config(auth={"mode": "bearer", "tokens": [token]}), "0.0.0.0")
