"""A real identity provider beside a real listener: discovery, keys that change under load, an outage."""

from __future__ import annotations

import contextlib
import http.client
import itertools
import json
import os
import subprocess
import sys
import threading
import time
from base64 import b64encode
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

import httpx2
from mcp.client.auth import AuthorizationCodeResult, OAuthClientProvider
from mcp.shared.auth import OAuthClientInformationFull, OAuthClientMetadata, OAuthToken
from pydantic import AnyUrl

from tests.support import SECONDS, free_port

from .harness import MARK, python_server, run, stdio, swept, write_config
from .test_listener import HELLO, await_port, post, request, run_listener

CLIENT, BACK = "callmux-tests", "http://127.0.0.1:9/back"
FORM = {"Content-Type": "application/x-www-form-urlencoded"}


@contextmanager
def provider(tmp_path: Path, port: int) -> Iterator[subprocess.Popen[bytes]]:
    """A provider. It makes a new key each time it is started."""
    mark = os.urandom(8).hex()
    words = [sys.executable, "-W", "ignore", str(Path(__file__).parent / "provider.py"), str(port)]
    with (tmp_path / "provider.log").open("ab") as log:
        process = subprocess.Popen(words, env={**os.environ, MARK: mark}, stdout=log, stderr=log)
    with swept(mark), process:
        try:
            await_port(port, process)
            yield process
        finally:
            process.kill()
            process.wait(timeout=SECONDS)


def code_for(address: str, subject: str) -> dict[str, str]:
    """What a browser brings back once somebody has signed in at an address of the provider."""
    parts = urlsplit(address)
    connection = http.client.HTTPConnection(parts.netloc, timeout=SECONDS)
    connection.request("POST", f"{parts.path}?{parts.query}", urlencode({"sub": subject}), FORM)
    answer = connection.getresponse()
    answer.read()
    connection.close()
    back = parse_qs(urlsplit(answer.headers["Location"]).query)
    return {name: values[0] for name, values in back.items()}


def signed_in(port: int, subject: str = "ann@example.com") -> str:
    """The token of somebody who signs in: the code flow, as a browser and its application walk it."""
    asked = {
        "client_id": CLIENT,
        "redirect_uri": BACK,
        "response_type": "code",
        "scope": "openid email",
        "nonce": os.urandom(8).hex(),
    }
    code = code_for(f"http://127.0.0.1:{port}/oauth2/authorize?{urlencode(asked)}", subject)["code"]
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=SECONDS)
    secret = b64encode(f"{CLIENT}:secret".encode()).decode()
    exchange = {"grant_type": "authorization_code", "code": code, "redirect_uri": BACK}
    connection.request(
        "POST", "/oauth2/token", urlencode(exchange), {**FORM, "Authorization": f"Basic {secret}"}
    )
    answer = connection.getresponse()
    found = json.loads(answer.read())
    connection.close()
    assert answer.status == 200, found
    token: str = found["id_token"]
    return token


def config(tmp_path: Path, issuer: int, **more: Any) -> Path:
    auth = {"mode": "oidc_jwt", "issuer": f"http://127.0.0.1:{issuer}", "audience": CLIENT, **more}
    servers = {"a": stdio(python_server("ledger_server.py", tmp_path / "l"))}
    return write_config(tmp_path / "config.json", servers, auth=auth)


def status(port: int, token: str) -> int:
    return post(port, request(1, "initialize", HELLO), Authorization=f"Bearer {token}")[0]


def until(what: str, true: Callable[[], bool], seconds: float = SECONDS) -> None:
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end, f"not within {seconds:g} s: {what}"
        time.sleep(0.05)


class Load:
    """Clients that ask without a pause, each with the token it has, and keep what they were answered."""

    def __init__(self, port: int, tokens: list[str]) -> None:
        self.port = port
        self.tokens = tokens
        self.seen: list[list[int]] = [[] for _ in tokens]
        self._over = threading.Event()
        self._threads = [threading.Thread(target=self._ask, args=(n,)) for n in range(len(tokens))]

    def _ask(self, n: int) -> None:
        while not self._over.is_set():
            self.seen[n].append(status(self.port, self.tokens[n]))

    @contextlib.contextmanager
    def running(self) -> Iterator[None]:
        for thread in self._threads:
            thread.start()
        try:
            yield
        finally:
            self._over.set()
            for thread in self._threads:
                thread.join(timeout=30)


def test_keys_are_discovered_and_change_under_load(tmp_path: Path) -> None:
    port, issuer = free_port(), free_port()
    with run_listener(tmp_path, config(tmp_path, issuer, jwksCacheTtlSeconds=1), port):
        with provider(tmp_path, issuer):
            old = [signed_in(issuer, f"{n}@example.com") for n in range(3)]
            load = Load(port, list(old))
            assert status(port, old[0]) == 200
            assert status(port, old[0][:-4] + "AAAA") == 401
        with load.running(), provider(tmp_path, issuer):
            new = signed_in(issuer, "new@example.com")
            assert status(port, new) == 200, "a new key counts at once"
            until("old tokens end with their key", lambda: all(seen[-1] == 401 for seen in load.seen))
            load.tokens[:] = [signed_in(issuer, f"{n}@example.com") for n in range(3)]
            until("their clients go on with new ones", lambda: all(seen[-1] == 200 for seen in load.seen))
        for seen in load.seen:
            assert set(seen) <= {200, 401}
            # Good until the key changed, then bad until there was a new token, then good.
            changes = sum(a != b for a, b in itertools.pairwise(seen))
            assert changes == 2, seen


def test_an_outage_ends_nothing_that_is_known_and_lets_nobody_new_in(tmp_path: Path) -> None:
    """Weak spot L30 of callmux (npm)."""
    port, issuer = free_port(), free_port()
    with run_listener(tmp_path, config(tmp_path, issuer, jwksCacheTtlSeconds=1), port):
        with provider(tmp_path, issuer):
            known, unused = signed_in(issuer), signed_in(issuer, "later@example.com")
            assert status(port, known) == 200
        end = time.monotonic() + 5
        while time.monotonic() < end:
            assert status(port, known) == 200
        assert status(port, unused) == 200, "its key is known"
        assert status(port, known[:-4] + "AAAA") == 401
        log = (tmp_path / "listener.log").read_text()
        assert log.count("the keys of the issuer cannot be had") == 1
        assert known not in log


def test_a_provider_that_comes_after_the_listener_is_found(tmp_path: Path) -> None:
    port, issuer = free_port(), free_port()
    with run_listener(tmp_path, config(tmp_path, issuer), port):
        with provider(tmp_path, issuer):
            early = signed_in(issuer)
        assert status(port, early) == 401
        with provider(tmp_path, issuer):
            token = signed_in(issuer)
            until("it is let in", lambda: status(port, token) == 200)


class Kept:
    """Where the client of the SDK keeps its tokens. It is registered by hand."""

    def __init__(self, issuer: str) -> None:
        self.tokens: OAuthToken | None = None
        self.client = OAuthClientInformationFull(
            client_id=CLIENT,
            client_secret="secret",
            redirect_uris=[AnyUrl(BACK)],
            issuer=issuer,
            token_endpoint_auth_method="client_secret_basic",
        )

    async def get_tokens(self) -> OAuthToken | None:
        return self.tokens

    async def set_tokens(self, tokens: OAuthToken) -> None:
        self.tokens = tokens

    async def get_client_info(self) -> OAuthClientInformationFull:
        return self.client

    async def set_client_info(self, client_info: OAuthClientInformationFull) -> None:
        self.client = client_info


def test_a_client_of_the_sdk_finds_the_provider_by_itself_and_signs_in(tmp_path: Path) -> None:
    """By the challenge, the metadata it names, and the provider that this names; the client refuses any that
    does not fit to the letter. Weak spot L31 of callmux (npm)."""
    port, issuer = free_port(), free_port()
    url = f"http://127.0.0.1:{port}/mcp"
    addresses: list[str] = []

    async def scene() -> None:
        kept = Kept(f"http://127.0.0.1:{issuer}")

        async def show(address: str) -> None:
            addresses.append(address)

        async def comes_back() -> AuthorizationCodeResult:
            return AuthorizationCodeResult(**code_for(addresses[-1], "ann@example.com"))

        metadata = OAuthClientMetadata(redirect_uris=[AnyUrl(BACK)], client_name="tests")
        auth = OAuthClientProvider(url, metadata, kept, show, comes_back)
        async with httpx2.AsyncClient(auth=auth, timeout=SECONDS) as http_client:
            head = {"Accept": "application/json, text/event-stream"}
            answer = await http_client.post(url, json=request(1, "initialize", HELLO), headers=head)
            assert answer.status_code == 200, answer.text
            assert answer.json()["result"]["serverInfo"]["name"] == "callmux"
        assert kept.tokens is not None
        assert parse_qs(urlsplit(addresses[0]).query)["resource"] == [url]

    with provider(tmp_path, issuer), run_listener(tmp_path, config(tmp_path, issuer), port):
        run(scene())
