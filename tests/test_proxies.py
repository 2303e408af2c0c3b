"""Proxies are those of the environment, and never for this machine."""

from __future__ import annotations

import pytest

from callmux.proxies import proxy_for


@pytest.fixture(autouse=True)
def no_proxies(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)


@pytest.mark.parametrize(
    ("url", "proxy"),
    [
        ("https://x.example/mcp", "http://secure:1"),
        ("http://x.example/mcp", "http://plain:1"),
        ("http://localhost:1/mcp", None),
        ("http://127.0.0.1:1/mcp", None),
        ("http://127.1.2.3/mcp", None),
        ("http://[::1]:1/mcp", None),
        ("https://in.house/mcp", None),
    ],
)
def test_proxies_come_from_the_environment_but_never_for_this_machine(
    url: str, proxy: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("https_proxy", "http://secure:1")
    monkeypatch.setenv("http_proxy", "http://plain:1")
    monkeypatch.setenv("no_proxy", "in.house")
    assert proxy_for(url) == proxy


def test_one_proxy_may_stand_for_all(monkeypatch: pytest.MonkeyPatch) -> None:
    assert proxy_for("https://x.example/") is None
    monkeypatch.setenv("all_proxy", "http://all:1")
    assert proxy_for("https://x.example/") == "http://all:1"
