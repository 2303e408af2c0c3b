"""Commands that run a container get a name or a label, and nothing else of them changes."""

from __future__ import annotations

import pytest

from callmux.upstream.links.container import LABEL, ContainerRun, contained, container_run

MARK = "0123456789abcdef.7"
NAME = "callmux-my-server-0123456789ab-7"
AS_LABEL = f"{LABEL}={MARK}"


def run(line: str, server: str = "my server") -> ContainerRun | None:
    command, *args = line.split()
    return container_run(command, args, server, MARK)


def args(line: str) -> str:
    found = run(line)
    assert found is not None
    return " ".join(found.args)


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("docker run -i --rm image", "run + -i --rm image"),
        ("/usr/local/bin/docker run image", "run + image"),
        ("docker container run -i image", "container run + -i image"),
        ("podman run -i image", "run + -i image"),
        ("nerdctl run -i image", "run + -i image"),
        ("docker --context far run -i image", "--context far run + -i image"),
        ("docker -H tcp://x --tls run image", "-H tcp://x --tls run + image"),
        ("docker --host=tcp://x run image", "--host=tcp://x run + image"),
        ("sudo docker run image", "docker run + image"),
        ("sudo -n -E docker run image", "-n -E docker run + image"),
        # The name is the program's in the container.
        ("docker run -i image --name x", "run + -i image --name x"),
        ("docker run -it -e KEY -v /a:/b image --name x", "run + -it -e KEY -v /a:/b image --name x"),
        ("docker run -eKEY=1 image --name x", "run + -eKEY=1 image --name x"),
        ("docker run -i=true image --name x", "run + -i=true image --name x"),
        ("docker run --mount type=bind,src=/a image --name", "run + --mount type=bind,src=/a image --name"),
        ("docker run --env-file f --init image --name", "run + --env-file f --init image --name"),
        ("docker run -i -- image --name x", "run + -i -- image --name x"),
        ("docker run", "run +"),
        # It is not known whether it takes the next word, but no name is there.
        ("docker run --novelty x image", "run + --novelty x image"),
        ("docker run --novelty=x image --name", "run + --novelty=x image --name"),
        ("docker run -Z image", "run + -Z image"),
    ],
)
def test_a_container_without_a_name_gets_one(line: str, expected: str) -> None:
    assert args(line) == expected.replace("+", f"--name {NAME}")


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("docker run --name mine image", "run + --name mine image"),
        ("docker run -i --name=mine image", "run + -i --name=mine image"),
        # Who knows whose it is.
        ("docker run --novelty x --name y image", "run + --novelty x --name y image"),
        ("docker run -Z x image --name=y", "run + -Z x image --name=y"),
    ],
)
def test_one_that_has_a_name_or_may_have_one_gets_a_label(line: str, expected: str) -> None:
    """A name can be that of another container of the user's: it is not stopped by it."""
    assert args(line) == expected.replace("+", f"--label {AS_LABEL}")
    found = run(line)
    assert found is not None
    assert found.name == MARK
    assert found.find == ("docker", "ps", "--all", "--quiet", "--filter", f"label={AS_LABEL}")


@pytest.mark.parametrize(
    "line",
    [
        "npx -y server",
        "docker",
        "sudo",
        "sudo npx",
        "sudo --prompt x docker run image",
        "docker ps",
        "docker container ls",
        "docker container",
        "docker compose run --rm service",
        "docker exec -i mine server",
        "docker --novelty run run image",
        "docker --config",
        "docker-compose run service",
        "echo docker run image",
        "docker mcp gateway run",
        # It ends at once, and the container goes on: nobody could talk to it.
        "docker run -d image",
        "docker run --detach image",
        "docker run -di image",
    ],
)
def test_any_other_command_stays_as_it_is(line: str) -> None:
    assert run(line) is None


def test_whoever_is_not_detached_after_all_is_one() -> None:
    assert run("docker run --detach=false image") is not None


def test_it_is_stopped_by_the_same_engine() -> None:
    found = run("sudo -n /opt/docker --context far container run --rm image")
    assert found is not None
    base = ("sudo", "-n", "/opt/docker", "--context", "far")
    assert found.stop == (*base, "stop", "-t", "2")
    assert found.remove == (*base, "rm", "-f")
    assert found.find == ()


@pytest.mark.parametrize("noun", [(), ("container",)])
@pytest.mark.parametrize("name", ["far", "container"])
def test_options_of_the_engine_keep_their_values_whatever_these_are(name: str, noun: tuple[str, ...]) -> None:
    found = run(" ".join(("docker", "--context", name, *noun, "run", "image")))
    assert found is not None
    assert found.stop == ("docker", "--context", name, "stop", "-t", "2")


@pytest.mark.parametrize(
    ("options", "removes", "kept"),
    [
        ("--rm", True, False),
        ("--rm=true", True, False),
        ("-i --rm", True, False),
        ("--rm --novelty x", True, False),
        ("", False, True),
        ("--rm=false", False, True),
        ("--novelty x", False, True),
        # Perhaps the image's.
        ("--novelty x --rm", False, False),
    ],
)
def test_it_is_removed_only_where_it_is_to_be_gone(options: str, removes: bool, kept: bool) -> None:
    found = run(f"docker run {options} image")
    assert found is not None
    assert bool(found.remove) is removes
    assert found.kept is kept


def test_a_name_has_only_letters_that_engines_take() -> None:
    found = run("docker run image", server='ü/"x"' + "y" * 90)
    assert found is not None
    assert found.name == "callmux-" + "-x-" + "y" * 37 + "-0123456789ab-7"


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("docker run image", ("image",)),
        (
            "sudo -n docker --context far container run -i --pull always image --name x",
            ("image", "--name", "x"),
        ),
        ("docker run -d image", ("image",)),
        ("docker run -i -- image x", ("image", "x")),
        ("docker run --of-tomorrow image", ()),
        ("docker run -y image", ()),
        ("docker run -i", ()),
        ("docker compose up", None),
        ("npx image", None),
    ],
)
def test_the_image_is_known_where_every_word_before_it_is(
    line: str, expected: tuple[str, ...] | None
) -> None:
    command, *args = line.split()
    assert contained(command, args) == expected
