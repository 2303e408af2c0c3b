"""The client scenarios of the official conformance suite (npm `@modelcontextprotocol/conformance`).

callmux stands in front of the suite's own servers. Nothing is expected to fail.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from tests.live.harness import environment

HERE = Path(__file__).parent
SECONDS = 120


def checks(output: Path) -> list[dict[str, Any]]:
    """Every check of a run."""
    return [check for file in output.glob("**/checks.json") for check in json.loads(file.read_text())]


def of_status(status: str, output: Path) -> list[str]:
    found = [check for check in checks(output) if check["status"] == status]
    return [f"{check['id']}: {check.get('errorMessage')}" for check in found]


def run_suite(command: list[str], tmp_path: Path, *, alone: bool = True) -> Path:
    """Runs a scenario, or several; gives where the results are. Fails where one alone does; of several, one
    that does not end has no results."""
    output = tmp_path / "results"
    env = environment(tmp_path, "") | {"PYTHONPATH": os.environ.get("PYTHONPATH", "")}
    words = [*command, "--output-dir", str(output)]
    try:
        done = subprocess.run(words, env=env, capture_output=True, text=True, timeout=SECONDS, check=False)
    except subprocess.TimeoutExpired:
        if alone:
            raise
        return output
    said = f"{done.stdout[done.stdout.find('SUMMARY') :]}\n{done.stderr[-1000:]}"
    assert done.returncode == 0 or not alone, said
    return output


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


NEWEST = "2026-07-28"
SUITES = {
    "2025-03-26": ["backcompat"],
    "2025-06-18": ["auth"],
    "2025-11-25": ["auth"],
    NEWEST: ["draft", "auth"],
}
"""Which suites have the scenarios of a revision: those of a suite run side by side, in one process."""
BY_THEMSELVES = {"tools_call", "json-schema-2020-12-preservation"}
"""Scenarios of the newest revision that only suites with many others have."""


@pytest.fixture(scope="module")
def played(
    tmp_path_factory: pytest.TempPathFactory, npm_tool: Callable[[str], list[str]]
) -> Callable[[str, str], Path]:
    """Where the results of a scenario are: its suite runs when the first of its scenarios is asked for. One
    that is asked for again, because its test runs again, is played by itself."""
    asked: set[tuple[str, str]] = set()

    @cache
    def suite(revision: str, name: str) -> Path:
        driver = f"{sys.executable} -I -S {HERE / 'driver.py'}"
        words = [*npm_tool("conformance"), "client", "--command", driver, "--timeout", str(SECONDS * 1000)]
        words += ["--spec-version", revision] if revision else []
        return run_suite(
            [*words, *name.split()], tmp_path_factory.mktemp("suite"), alone="--suite" not in name
        )

    def of(revision: str, scenario: str) -> Path:
        again = (revision, scenario) in asked
        asked.add((revision, scenario))
        for name in () if again or scenario in BY_THEMSELVES else SUITES.get(revision, ()):
            found = [*suite(revision, f"--suite {name}").glob(f"{scenario}-20*")]
            if found:
                return found[0]
        return suite(revision, f"--scenario {scenario}")

    return of


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
    scenario: str, played: Callable[[str, str], Path]
) -> None:
    output = played(NEWEST, scenario)
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
    scenario: str, revision: str, played: Callable[[str, str], Path]
) -> None:
    output = played(revision, f"auth/{scenario}")
    assert of_status("FAILURE", output) + of_status("WARNING", output) == []
    assert of_status("SUCCESS", output)
