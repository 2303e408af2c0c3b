"""Programs that run containers."""

from __future__ import annotations

import pytest

from callmux.upstream.links.engines import may_run_containers


@pytest.mark.parametrize(
    ("command", "may"),
    [("docker", True), ("/usr/bin/podman", True), ("sudo", True), ("node", False), ("docker-like", False)],
)
def test_a_program_that_may_run_a_container_is_known_by_its_name(command: str, may: bool) -> None:
    assert may_run_containers(command) is may
