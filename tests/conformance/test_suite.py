"""The official conformance suite (npm `@modelcontextprotocol/conformance`), against callmux on both sides.

Server scenarios run against a listener in front of `server.py`. Client scenarios run against callmux in front
of the suite's own servers. What is expected to fail stands in `expected-failures.yml` with its reason; the
suite itself fails once such a scenario passes.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.live.harness import environment, stdio, write_config
from tests.live.test_listener import HELLO, post, request, run_listener
from tests.support import free_port

HERE = Path(__file__).parent
SECONDS = 120


def checks(output: Path) -> list[dict[str, Any]]:
    """Every check of a run."""
    return [check for file in output.glob("**/checks.json") for check in json.loads(file.read_text())]


def of_status(status: str, output: Path) -> list[str]:
    found = [check for check in checks(output) if check["status"] == status]
    return [f"{check['id']}: {check.get('errorMessage')}" for check in found]


def run_suite(command: list[str], tmp_path: Path) -> Path:
    """Runs the suite; gives where its results are. Fails where the suite does."""
    output = tmp_path / "results"
    env = environment(tmp_path, "") | {"PYTHONPATH": os.environ.get("PYTHONPATH", "")}
    words = [*command, "--output-dir", str(output)]
    done = subprocess.run(words, env=env, capture_output=True, text=True, timeout=SECONDS, check=False)
    assert done.returncode == 0, f"{done.stdout[done.stdout.find('SUMMARY') :]}\n{done.stderr[-1000:]}"
    return output


def run_against_listener(command: list[str], tmp_path: Path) -> Path:
    server = stdio([sys.executable, "-I", str(HERE / "server.py")])
    config = write_config(tmp_path / "callmux.json", {"conformance": server}, exposeMetaTools=False)
    port = free_port()
    with run_listener(tmp_path, config, port):
        hear_a_first_question(port)
        return run_suite([*command, "--url", f"http://127.0.0.1:{port}/mcp"], tmp_path)


def hear_a_first_question(port: int) -> None:
    """The very first question of a server that several sessions have called may be anybody's, so nobody sees
    it (docs/relay.md, "Questions of servers"); from then on each session is asked what is its own. The suite
    takes a session for each scenario, so without this the first of those that ask would get no question."""
    for tool, arguments in (("test_simple_text", {}), ("test_sampling", {"prompt": "?"})):
        asked = {**HELLO, "capabilities": {"sampling": {}, "elicitation": {}}}
        _, _, session = post(port, request(1, "initialize", asked))
        status, answer, _ = post(
            port, request(2, "tools/call", {"name": tool, "arguments": arguments}), session
        )
        assert (status, answer["id"]) == (200, 2)


@pytest.mark.parametrize(("revision", "least"), [("2025-03-26", 3), ("2025-06-18", 50), ("2025-11-25", 75)])
def test_a_listener_passes_every_server_scenario_of_the_revision(
    revision: str, least: int, tmp_path: Path, npm_tool: Callable[[str], list[str]]
) -> None:
    suite = [*npm_tool("conformance"), "server", "--suite", "all", "--spec-version", revision]
    output = run_against_listener(suite, tmp_path)
    assert of_status("FAILURE", output) == []
    assert of_status("WARNING", output) == []
    assert len(of_status("SUCCESS", output)) >= least


def test_what_fails_of_the_newest_revision_is_what_is_known_to_fail(
    tmp_path: Path, npm_tool: Callable[[str], list[str]]
) -> None:
    known = ["--expected-failures", str(HERE / "expected-failures.yml")]
    suite = [*npm_tool("conformance"), "server", "--requirements", "2026-07-28", *known]
    output = run_against_listener(suite, tmp_path)
    assert len(of_status("SUCCESS", output)) >= 10


@pytest.mark.parametrize("way", ["run", "bridge"])
@pytest.mark.parametrize(
    "scenario", ["initialize", "tools_call", "elicitation-sep1034-client-defaults", "sse-retry"]
)
def test_callmux_passes_the_client_scenario(
    scenario: str, way: str, tmp_path: Path, npm_tool: Callable[[str], list[str]]
) -> None:
    driver = f"{sys.executable} {HERE / 'client.py'} {way}"
    suite = [*npm_tool("conformance"), "client", "--command", driver, "--spec-version", "2025-11-25"]
    output = run_suite([*suite, "--scenario", scenario], tmp_path)
    assert of_status("FAILURE", output) + of_status("WARNING", output) == []
    assert of_status("SUCCESS", output)


@pytest.mark.parametrize(
    "scenario",
    [
        "tools_call",
        "request-metadata",
        "sep-2322-client-request-state",
        "http-standard-headers",
        "http-custom-headers",
        "http-invalid-tool-headers",
        "json-schema-ref-no-deref",
        "json-schema-2020-12-preservation",
    ],
)
def test_callmux_passes_the_client_scenario_of_the_newest_revision(
    scenario: str, tmp_path: Path, npm_tool: Callable[[str], list[str]]
) -> None:
    driver = f"{sys.executable} {HERE / 'modern_client.py'}"
    suite = [*npm_tool("conformance"), "client", "--command", driver, "--spec-version", "2026-07-28"]
    output = run_suite([*suite, "--scenario", scenario], tmp_path)
    assert of_status("FAILURE", output) + of_status("WARNING", output) == []
    assert of_status("SUCCESS", output)


SIGN_INS = {
    "2025-03-26": ["2025-03-26-oauth-metadata-backcompat", "2025-03-26-oauth-endpoint-fallback"],
    "2025-06-18": ["token-endpoint-auth-basic", "token-endpoint-auth-post", "token-endpoint-auth-none"],
    "2025-11-25": [
        "metadata-default",
        "metadata-var1",
        "metadata-var2",
        "metadata-var3",
        "basic-cimd",
        "scope-from-www-authenticate",
        "scope-from-scopes-supported",
        "scope-omitted-when-undefined",
        "scope-step-up",
        "scope-retry-limit",
        "token-endpoint-auth-basic",
        "token-endpoint-auth-post",
        "token-endpoint-auth-none",
        "pre-registration",
    ],
    "2026-07-28": [
        "authorization-server-migration",
        "basic-cimd",
        "iss-normalized",
        "iss-not-advertised",
        "iss-supported",
        "iss-supported-missing",
        "iss-unexpected",
        "iss-wrong-issuer",
        "metadata-default",
        "metadata-issuer-mismatch",
        "metadata-var1",
        "metadata-var2",
        "metadata-var3",
        "offline-access-not-supported",
        "offline-access-scope",
        "pre-registration",
        "resource-mismatch",
        "scope-from-scopes-supported",
        "scope-from-www-authenticate",
        "scope-omitted-when-undefined",
        "scope-retry-limit",
        "scope-step-up",
        "token-endpoint-auth-basic",
        "token-endpoint-auth-none",
        "token-endpoint-auth-post",
    ],
    "": ["client-credentials-basic", "client-credentials-jwt"],
}
"""The scenarios for sign-ins by the revision they belong to; without one, those of an extension."""


@pytest.mark.parametrize(
    ("scenario", "revision"), [(name, revision) for revision, names in SIGN_INS.items() for name in names]
)
def test_callmux_signs_in_as_the_revision_says(
    scenario: str, revision: str, tmp_path: Path, npm_tool: Callable[[str], list[str]]
) -> None:
    driver = f"{sys.executable} {HERE / 'client.py'} run"
    suite = [*npm_tool("conformance"), "client", "--command", driver, "--scenario", f"auth/{scenario}"]
    if revision:
        suite += ["--spec-version", revision]
    output = run_suite(suite, tmp_path)
    assert of_status("FAILURE", output) + of_status("WARNING", output) == []
    assert of_status("SUCCESS", output)
