"""A short trial: two nodes behind nginx, one of them killed, under calls of all kinds of clients."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from tests.live.harness import run

from .agents import OK
from .front import KINDS, PAGE, fitted, shown
from .trial import trial


async def short(folder: Path) -> None:
    seen = await trial(folder, ["lose"], nodes=2, bridges=1, sdk=1, plains=2, pause=0.05, longest=400)
    assert not seen.wrong, "\n".join([seen.account, *seen.wrong])
    assert seen.of("plain", OK)
    assert seen.of("bridge", OK)


def test_a_node_that_is_killed_loses_no_session_and_does_nothing_twice(tmp_path: Path) -> None:
    run(short(tmp_path), 120)


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_tried_is_what_the_page_shows(kind: str) -> None:
    text = fitted(kind, shown(kind), 8080, [1, 2])
    assert len(re.findall(r"127\.0\.0\.1(:|, port_value: )1\b", text)) == 1
    assert re.search(r"127\.0\.0\.1(:|, port_value: )8080\b", text)
    assert "10.0.0." not in text


def test_the_manifest_of_the_page_starts_what_the_page_describes() -> None:
    found = re.search(r"```yaml\n(apiVersion.*?)```", PAGE.read_text(), re.DOTALL)
    assert found is not None
    deployment, service = YAML(typ="safe").load_all(found[1])
    (container,) = deployment["spec"]["template"]["spec"]["containers"]
    names = {variable["name"] for variable in container["env"]}
    assert names == {"POD_IP", "HOSTNAME"}, "the configuration on the page uses these"
    assert all(f"${{{name}}}" in PAGE.read_text() for name in names)
    assert service["spec"]["ports"] == [{"port": container["ports"][0]["containerPort"]}]
