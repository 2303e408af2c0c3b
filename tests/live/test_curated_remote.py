"""Every remote server of the curated list, against a double that demands what the real one demands.

Those that one signs in to stand behind a real authorization server; the commands are those of a user.
"""

from __future__ import annotations

import json
import sys
import threading
from collections.abc import Iterator
from http.server import ThreadingHTTPServer
from pathlib import Path

import pytest

from callmux.clients.registry import KNOWN, KnownServer
from callmux.setup.servers import Secrets, server_document
from tests.oauth.scene import Guarded, guarded

from .test_login import BROWSER, Place
from .test_secrets_page import Double

REMOTE = [known for known in KNOWN.values() if known.url]


@pytest.fixture(scope="module")
def authority() -> Iterator[Guarded]:
    with guarded() as found:
        yield found


class Demanding(Double):
    """A server that takes one token only."""

    token = ""

    def do_POST(self) -> None:
        if self.token and self.headers["Authorization"] != f"Bearer {self.token}":
            self.rfile.read(int(self.headers["Content-Length"]))
            self._answer(401, b"")
            return
        super().do_POST()


@pytest.fixture
def plain(known: KnownServer) -> Iterator[str]:
    """A server that wants the token of the entry's variable, or nothing."""
    token = known.variables[0].example if known.header else ""
    double = type("Noting", (Demanding,), {"seen": set(), "token": token})
    server = ThreadingHTTPServer(("127.0.0.1", 0), double)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_address[1]}/mcp"
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.mark.parametrize("known", REMOTE, ids=[known.name for known in REMOTE])
def test_it_ends_with_its_tools_listed(
    known: KnownServer, tmp_path: Path, authority: Guarded, plain: str
) -> None:
    place = Place(tmp_path, authority)
    document = server_document(known.name, known.entry(), Secrets("/s", {}).keep)
    document["url"] = authority.url if known.sign_in else plain
    place.config.write_text(json.dumps({"servers": {known.name: document}}))
    for variable in known.variables:
        place.env[variable.name] = variable.example
    if known.sign_in:
        before = place.run("server", "test", known.name, "--json")
        report = json.loads(before.stdout)
        assert report["signInNeeded"] is True
        assert f"callmux login {known.name}" in report["issues"][0]
        browser = tmp_path / "browser.py"
        browser.write_text(BROWSER)
        opens = f"{sys.executable} {browser} {tmp_path}/pages %s"
        signed_in = place.run("login", BROWSER=opens)
        assert signed_in.returncode == 0, signed_in.stderr
    elif known.header:
        without = {name: value for name, value in place.env.items() if name != known.variables[0].name}
        place.env, whole = without, place.env
        assert "is not set" in place.run("server", "test", known.name).stdout
        place.env = whole
    done = place.run("server", "test", known.name, "--json")
    assert done.returncode == 0, done.stdout + done.stderr
    assert json.loads(done.stdout)["tools"]


def test_the_list_says_which_want_a_sign_in() -> None:
    for known in REMOTE:
        assert known.sign_in is ("you sign in" in known.about)
        assert not (known.sign_in and (known.header or known.variables))
