"""Commands that run a container (`docker run` and its like), and how to find and stop that container. Pure.

Called by `callmux.upstream.links.child` before it starts one, by `callmux.doctor.containers`, and by
`callmux.clients.packages` for the image. The daemon of an engine outlives its client: whoever kills that
leaves the container. What the user wrote stays as it is; one option more stands behind `run`: a name, or a
label where there is a name already, or may be.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

import msgspec

from callmux.upstream.links.engines import ENGINES

LABEL = "callmux.server-mark"
ENGINE_VARIABLES = (
    *("PATH", "HOME", "USER", "LOGNAME", "TMPDIR", "XDG_RUNTIME_DIR", "XDG_CONFIG_HOME", "XDG_DATA_HOME"),
    *("SSH_AUTH_SOCK", "DBUS_SESSION_BUS_ADDRESS", "DOCKER_HOST", "DOCKER_CONTEXT", "DOCKER_CONFIG"),
    *("DOCKER_TLS", "DOCKER_TLS_VERIFY", "DOCKER_CERT_PATH", "DOCKER_API_VERSION", "CONTAINER_HOST"),
    *("CONTAINER_CONNECTION", "CONTAINER_SSHKEY", "CONTAINERS_CONF", "CONTAINERS_STORAGE_CONF"),
    *("CONTAINERD_ADDRESS", "CONTAINERD_NAMESPACE"),
)
"""What says which engine is meant. They are noted on disk: none of them is a secret."""
STOP_SECONDS = 2
"""How long a container may take to end before its engine kills it."""


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


_TRUE = frozenset({"", "1", "t", "T", "true", "TRUE", "True"})
_ENGINE_FLAGS = _words(
    "--debug -D --tls --tlsverify --remote -r --syslog --transient-store --noout"
    " --insecure-registry --experimental --debug-full"
)
_ENGINE_OPTIONS = _words(
    "--config --context -c --host -H --log-level -l --tlscacert --tlscert --tlskey --cgroup-manager --conmon"
    " --connection --events-backend --hooks-dir --identity --imagestore --module --network-cmd-path"
    " --network-config-dir --out --root --runroot --runtime --runtime-flag --ssh --storage-driver"
    " --storage-opt --tmpdir --url --volumepath --namespace -n --address -a --snapshotter --cni-path"
    " --cni-netconfpath --data-root --hosts-dir"
)
_RUN_FLAGS = _words(
    "detach disable-content-trust env-host help http-proxy init interactive no-healthcheck no-hostname"
    " no-hosts oom-kill-disable passwd privileged publish-all quiet read-only read-only-tmpfs replace rm rmi"
    " rootfs sig-proxy tls-verify tty unsetenv-all use-api-socket"
)
_RUN_OPTIONS = _words(
    "add-host annotation arch attach authfile blkio-weight blkio-weight-device cap-add cap-drop cert-dir"
    " cgroup-conf cgroup-parent cgroupns cgroups chrootdirs cidfile conmon-pidfile cpu-count cpu-percent"
    " cpu-period cpu-quota cpu-rt-period cpu-rt-runtime cpu-shares cpus cpuset-cpus cpuset-mems creds"
    " decryption-key detach-keys device device-cgroup-rule device-read-bps device-read-iops device-write-bps"
    " device-write-iops dns dns-opt dns-option dns-search domainname entrypoint env env-file env-merge expose"
    " gidmap gpus group-add group-entry health-cmd health-interval health-log-destination"
    " health-max-log-count health-max-log-size health-on-failure health-retries health-start-interval"
    " health-start-period health-startup-cmd health-startup-interval health-startup-retries"
    " health-startup-success health-startup-timeout health-timeout hostname hosts-file hostuser image-volume"
    " init-ctr init-path io-maxbandwidth io-maxiops ip ip6 ipc isolation kernel-memory label label-file link"
    " link-local-ip log-driver log-opt mac-address memory memory-reservation memory-swap memory-swappiness"
    " mount name net net-alias network network-alias oom-score-adj os passwd-entry personality pid pidfile"
    " pids-limit platform pod pod-id-file preserve-fd preserve-fds publish pull rdt-class requires restart"
    " retry retry-delay runtime sdnotify seccomp-policy secret security-opt shm-size shm-size-systemd"
    " stop-signal stop-timeout storage-opt subgidname subuidname sysctl systemd timeout tmpfs tz uidmap"
    " ulimit umask unsetenv user userns uts variant volume volume-driver volumes-from workdir"
)
_SHORT_FLAGS = {"d": "detach", "i": "interactive", "t": "tty", "P": "publish-all", "q": "quiet"}
_SHORT_OPTIONS = frozenset("acehlmpuvw")
_SUDO_FLAGS = frozenset({"-n", "-E", "-H", "--non-interactive", "--preserve-env", "--set-home", "--"})


class ContainerRun(msgspec.Struct, frozen=True, kw_only=True):
    """A command that runs a container.

    Attributes:
        args: The arguments to start it with.
        name: What the container is called; the value of its label where `find` says how to ask for it.
        find: A command that prints its id; empty where the name will do.
        stop: A command that stops it; the name or id comes last.
        remove: One that removes it; empty where nothing says that it is to be gone once it has ended.
        kept: Whether each start leaves a container behind, stopped: it has no `--rm`.
    """

    args: tuple[str, ...]
    name: str
    find: tuple[str, ...]
    stop: tuple[str, ...]
    remove: tuple[str, ...]
    kept: bool


class _RunOptions(msgspec.Struct, frozen=True):
    """What is said between `run` and the image.

    Attributes:
        named: Whether it has a name, or may have one.
        removes: Whether it has `--rm`; None where that is not sure.
        detached: Whether the command ends at once.
        image: How many words stand before the image; None where that is not sure.
    """

    named: bool
    removes: bool | None
    detached: bool
    image: int | None = None


def container_run(command: str, args: Sequence[str], server: str, mark: str) -> ContainerRun | None:
    """How to run a container so that it can be found again; None where a command runs none, in the
    foreground.

    Args:
        server: The server's name, for people who look at a list of containers.
        mark: Something that no other container has.
    """
    words = (command, *args)
    if (place := _place(words)) is None:
        return None
    base, run = words[: place[0]], place[1]
    options = _options(words[run + 1 :])
    if options.detached:
        return None
    instance, _, number = mark.partition(".")
    name, find = f"callmux-{_plain(server)}-{instance[:12]}-{number}", tuple[str, ...]()
    more: tuple[str, ...] = ("--name", name)
    if options.named:
        name, more = mark, ("--label", f"{LABEL}={mark}")
        find = (*base, "ps", "--all", "--quiet", "--filter", f"label={LABEL}={mark}")
    return ContainerRun(
        args=(*words[1 : run + 1], *more, *words[run + 1 :]),
        name=name,
        find=find,
        stop=(*base, "stop", "-t", str(STOP_SECONDS)),
        remove=(*base, "rm", "-f") if options.removes else (),
        kept=options.removes is False,
    )


def contained(command: str, args: Sequence[str]) -> tuple[str, ...] | None:
    """The image that a command runs in a container, and what that is given; empty where it is not sure which
    word is the image. None where a command runs none."""
    words = (command, *args)
    if (place := _place(words)) is None:
        return None
    run = place[1]
    image = _options(words[run + 1 :]).image
    return () if image is None else words[run + 1 + image :]


def _plain(server: str) -> str:
    return re.sub(r"[^a-zA-Z0-9_.-]+", "-", server)[:40]


def _place(words: Sequence[str]) -> tuple[int, int] | None:
    """Where an engine's command begins, and where the `run` in it stands; None where no container runs."""
    engine = _engine(words)
    verb = None if engine is None else _verb(words, engine + 1)
    if verb is None:
        return None
    run = verb + (words[verb] == "container")
    return (verb, run) if words[run : run + 1] == ("run",) else None


def _engine(words: Sequence[str]) -> int | None:
    """Where the engine stands: first, or behind `sudo`."""
    at = 0
    if _program(words[0]) == "sudo":
        at = 1
        while at < len(words) and words[at] in _SUDO_FLAGS:
            at += 1
    return at if at < len(words) and _program(words[at]) in ENGINES else None


def _program(word: str) -> str:
    return word.rpartition("/")[2]


def _verb(words: Sequence[str], at: int) -> int | None:
    """Where the engine's command begins, behind options of the engine itself; None where none does, or who
    knows."""
    while at < len(words) and words[at].startswith("-"):
        word = words[at]
        if word in _ENGINE_OPTIONS:
            at += 2
        elif word in _ENGINE_FLAGS or (word.startswith("--") and "=" in word):
            at += 1
        else:
            return None
    return at if at < len(words) else None


def _options(words: Sequence[str]) -> _RunOptions:
    named, removes, detached, at = False, False, False, 0
    while at < len(words):
        word = words[at]
        at += 1
        if not word.startswith("-") or word in ("-", "--"):
            return _RunOptions(named, removes, detached, at if word == "--" else at - 1)
        if not word.startswith("--"):
            flags, takes_next = _short(word[1:])
            if flags is None:
                return _unsure(words[at:], named, removes, detached)
            detached = detached or "d" in flags
            at += takes_next
            continue
        option, equals, value = word[2:].partition("=")
        if option == "name":
            named = True
        elif option == "rm":
            removes = value in _TRUE
        elif option == "detach":
            detached = value in _TRUE
        if option in _RUN_OPTIONS and not equals:
            at += 1
        elif option not in _RUN_FLAGS and not equals:
            return _unsure(words[at:], named, removes, detached)
    return _RunOptions(named, removes, detached)


def _unsure(rest: Sequence[str], named: bool, removes: bool, detached: bool) -> _RunOptions:
    """An option that is not known here may take the next word: what follows may be the image's."""
    named = named or any(word.partition("=")[0] == "--name" for word in rest)
    maybe = None if any(word.partition("=")[0] == "--rm" for word in rest) else False
    return _RunOptions(named, removes or maybe, detached)


def _short(letters: str) -> tuple[str | None, int]:
    """The flags of a word such as `-it`, and how many words more it takes; None where one is not known."""
    for at, letter in enumerate(letters):
        if letter in _SHORT_OPTIONS:
            return letters[:at], int(at == len(letters) - 1)
        if letter not in _SHORT_FLAGS:
            # A flag may have a value, as in -i=true.
            return (letters[:at], 0) if letter == "=" else (None, 0)
    return letters, 0
