"""`doctor` names the servers whose containers pile up."""

from __future__ import annotations

import pytest

from callmux.config.model import Config
from callmux.config.servers import HttpServer, StdioServer
from callmux.doctor.containers import kept_containers


def found(command: str, *args: str, disabled: bool = False) -> list[str]:
    server = StdioServer(command=command, args=args, disabled=disabled)
    return kept_containers(Config(servers={"a": server, "b": HttpServer(url="http://x.invalid")}))


def test_a_container_that_stays_is_named_with_what_to_do() -> None:
    (warning,) = found("docker", "run", "-i", "image")
    assert warning == (
        '"a" runs its container without --rm: each start leaves a stopped one behind. '
        'Write "--rm" behind "run" in its args'
    )


@pytest.mark.parametrize(
    "words",
    [
        ("docker", "run", "-i", "--rm", "image"),
        ("docker", "exec", "-i", "mine", "server"),
        ("npx", "-y", "server"),
    ],
)
def test_no_other_server_is_named(words: tuple[str, ...]) -> None:
    assert found(*words) == []


def test_a_disabled_server_leaves_nothing() -> None:
    assert found("docker", "run", "image", disabled=True) == []
