"""Secrets and sign-ins in a keyring of the system, for all processes of a user.

The library is the real one; behind it stands a keyring of the tests, which keeps everything in a file.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.oauth.scene import Guarded, guarded

from .test_login import BROWSER, Place

RING = """
import json, os
import keyring.backend

class Ring(keyring.backend.KeyringBackend):
    priority = 1

    def _all(self):
        try:
            with open(os.environ["RING"]) as file:
                return json.load(file)
        except FileNotFoundError:
            return {}

    def _keep(self, held):
        with open(os.environ["RING"], "w") as file:
            json.dump(held, file)

    def get_password(self, service, username):
        return self._all().get(f"{service} {username}")

    def set_password(self, service, username, password):
        self._keep({**self._all(), f"{service} {username}": password})

    def delete_password(self, service, username):
        held = self._all()
        del held[f"{service} {username}"]
        self._keep(held)
"""


@pytest.fixture(scope="module")
def server() -> Iterator[Guarded]:
    with guarded() as found:
        yield found


@pytest.fixture
def place(tmp_path: Path, server: Guarded) -> Place:
    made = Place(tmp_path, server)
    (tmp_path / "ring_of_tests.py").write_text(RING)
    browser = tmp_path / "browser.py"
    browser.write_text(BROWSER)
    made.env |= {
        "PYTHON_KEYRING_BACKEND": "ring_of_tests.Ring",
        "RING": str(tmp_path / "ring.json"),
        "PYTHONPATH": f"{tmp_path}{os.pathsep}{made.env['PYTHONPATH']}",
        "BROWSER": f"{sys.executable} {browser} {tmp_path}/pages %s",
    }
    return made


def files(place: Place) -> str:
    """All that callmux has kept in files."""
    kept = (place.home / ".local").rglob("*")
    return "\n".join(path.read_text() for path in kept if path.is_file())


def test_tokens_are_in_the_keyring_alone_and_every_process_uses_them(place: Place, server: Guarded) -> None:
    done = place.run("login")
    assert done.returncode == 0, done.stderr
    assert "The tokens are in the system's keyring." in done.stdout
    tokens = server.control()["tokens"]
    assert not [token for token in tokens if token in files(place)]
    held = (place.home / "ring.json").read_text()
    assert "callmux sign-ins" in held
    assert [token for token in tokens if token in held]
    tried = place.run("server", "test", "guarded", "--json")
    assert "whoami" in json.loads(tried.stdout)["tools"]
    without = place.run("server", "test", "guarded", CALLMUX_KEYRING="off")
    assert without.returncode == 1
    assert "in the system's keyring, which this process cannot use" in without.stdout
    assert place.run("logout", "guarded").returncode == 0
    assert json.loads((place.home / "ring.json").read_text()) == {}


def test_a_reference_is_looked_up_in_the_keyring(place: Place) -> None:
    kept = subprocess.run(
        place.command("secret", "set", "mine")[:-2],
        env=place.env,
        input="hunter2\n",
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert 'Kept the secret "mine" in the system\'s keyring' in kept.stdout
    assert "hunter2" not in files(place) + kept.stdout
    script = (
        "import json, os, sys\n"
        "for line in sys.stdin:\n"
        "    message = json.loads(line)\n"
        "    if 'id' in message:\n"
        "        tools = [{'name': os.environ['MINE'], 'inputSchema': {'type': 'object'}}]\n"
        "        result = {'protocolVersion': '2025-11-25', 'capabilities': {'tools': {}}, 'tools': tools,\n"
        "                  'serverInfo': {'name': 'x', 'version': '1'}}\n"
        "        print(json.dumps({'jsonrpc': '2.0', 'id': message['id'], 'result': result}), flush=True)\n"
    )
    entry = {"command": sys.executable, "args": ["-c", script], "env": {"MINE": "keyring:mine"}}
    place.config.write_text(json.dumps({"servers": {"near": entry}}))
    tried = place.run("server", "test", "near", "--json")
    assert json.loads(tried.stdout)["tools"] == ["hunter2"]
