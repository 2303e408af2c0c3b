"""A look at a server with the sign-in that is kept for it."""

from __future__ import annotations

from pathlib import Path

import pytest

from callmux.process.signed_probe import probe
from callmux.stores.tokens import TokenStore
from tests.oauth.scene import guarded
from tests.support import real_loop


@real_loop()
async def test_a_server_that_wants_a_sign_in_is_told_from_one_that_does_not_work(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    monkeypatch.setenv("CALLMUX_KEYRING", "off")
    with guarded() as server:
        config = server.config()
        found = await probe("guarded", config, timeout_seconds=10, base_dir=tmp_path)
        assert (found.tools, found.sign_in) == ([], True)
        assert "callmux login guarded" in str(found.error)
        await server.sign_in(TokenStore(tmp_path / "callmux/tokens"))
        found = await probe("guarded", config, timeout_seconds=10, base_dir=tmp_path)
        assert (found.error, found.sign_in) == (None, False)
        assert "whoami" in found.tools
    found = await probe("guarded", config, timeout_seconds=10, base_dir=tmp_path)
    assert found.error is not None
    assert not found.sign_in
