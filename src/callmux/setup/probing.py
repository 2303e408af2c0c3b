"""Asks servers for their tools before they are entered anywhere, several at a time.

Called by `callmux.cli.setup` with the function that asks (`callmux.upstream.probe`).
"""

from __future__ import annotations

import asyncio
from collections import Counter, deque
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from callmux.config.check import check_document
from callmux.config.secrets import resolve_reference
from callmux.config.servers import HttpServer, StdioServer
from callmux.config.variables import expand_server
from callmux.config.veil import Veil
from callmux.doctor.checks import Probe, Progress, counted, find_command, missing_command
from callmux.errors import CallmuxError, SecretError
from callmux.upstream.opening.last_words import SHOWN_LINES, with_words

if TYPE_CHECKING:
    from callmux.clients.dependence import Compared
    from callmux.doctor.two_directories import Compare
    from callmux.upstream.probe import Seen

AT_A_TIME = 6


@dataclass(frozen=True, slots=True)
class ProbeAnswer:
    """What a server said.

    Attributes:
        tools: The names of its tools.
        problem: Why it could not be asked; None where it could.
        sign_in: The entry of a server that wants a person to sign in.
        seen: All that it has listed.
        compared: What came of trying it in two directories; None where it was not tried.
    """

    tools: tuple[str, ...] = ()
    problem: str | None = None
    sign_in: StdioServer | HttpServer | None = None
    seen: Seen | None = None
    compared: Compared | None = None


def ask_all(
    documents: Mapping[str, Mapping[str, Any]],
    secrets: Mapping[str, str],
    base_dir: Path,
    env: Mapping[str, str],
    seconds: float,
    probe: Probe,
    progress: Progress,
    compare: Mapping[str, Compare] | None = None,
) -> dict[str, ProbeAnswer]:
    """Starts or reaches each server, lists its tools and leaves. One that is disabled is left alone.

    Args:
        documents: Entries of our configuration by any names.
        secrets: Files of secrets that are not written yet: path and value.
        base_dir: What relative paths start from.
        env: The variables there are.
        seconds: For each server.
        probe: Asks one.
        progress: Told who is asked and what each server writes meanwhile.
        compare: Tries those in two directories of which nobody knows whether theirs matters, by the same
            names.
    """

    async def ask() -> dict[str, ProbeAnswer]:
        slots = asyncio.Semaphore(AT_A_TIME)
        veil = Veil(secrets.values())
        labels = _labels(documents)

        async def one(key: str, document: Mapping[str, Any]) -> tuple[str, ProbeAnswer]:
            async with slots:
                name = labels[key]
                progress.started(name)

                def hear(line: str) -> None:
                    progress.heard(name, veil.hide(line))

                try_twice = (compare or {}).get(key)
                answer = await _ask(key, document, secrets, base_dir, env, seconds, probe, hear, try_twice)
            if answer.problem is not None:
                # What a server says as it dies may hold what it was given.
                answer = replace(answer, problem=veil.hide(answer.problem))
            progress.finished(name, answer.problem or counted(len(answer.tools), "tool"))
            return key, answer

        return dict(await asyncio.gather(*(one(key, document) for key, document in documents.items())))

    return asyncio.run(ask())


def _labels(keys: Iterable[str]) -> dict[str, str]:
    """What each server is called while it is asked: two of one name are told apart."""
    seen: Counter[str] = Counter()
    labels = {}
    for key in keys:
        name = key.partition(":")[2]
        seen[name] += 1
        labels[key] = name if seen[name] == 1 else f"{name} ({seen[name]})"
    return labels


async def _ask(
    key: str,
    document: Mapping[str, Any],
    secrets: Mapping[str, str],
    base_dir: Path,
    env: Mapping[str, str],
    seconds: float,
    probe: Probe,
    hear: Callable[[str], None],
    compare: Compare | None,
) -> ProbeAnswer:
    name = key.rpartition(":")[2]
    if document.get("disabled") is True:
        return ProbeAnswer()
    checked = check_document({"servers": {name: dict(document)}})
    if checked.errors:
        return ProbeAnswer(problem="; ".join(checked.errors))

    def read_file(path: str) -> str:
        return secrets[path] if path in secrets else resolve_reference(f"file:{path}", base_dir, env)

    server = expand_server(checked.config.servers[name], f"servers.{name}", env, read_file)
    if server.problem is not None:
        return ProbeAnswer(problem=server.problem)
    if isinstance(server, StdioServer):
        if find_command(server, env) is None:
            return ProbeAnswer(problem=missing_command(server, env))
        try:
            values = {
                variable: read_file(reference.strip().removeprefix("file:"))
                if reference.strip().startswith("file:")
                else resolve_reference(reference, base_dir, env)
                for variable, reference in server.env_refs.items()
                if reference.strip().startswith(("env:", "file:"))
            }
        except SecretError as error:
            return ProbeAnswer(problem=error.message)
        # The files that it would read are not there yet.
        from msgspec import structs

        server = structs.replace(
            server, env={**server.env, **values}, env_refs=_rest(server.env_refs, values)
        )
    said: deque[str] = deque(maxlen=SHOWN_LINES)

    def heard(line: str) -> None:
        said.append(line)
        hear(line)

    try:
        async with asyncio.timeout(seconds):
            result = await probe(name, server, timeout_seconds=seconds, base_dir=base_dir, heard=heard)
    except TimeoutError:
        return ProbeAnswer(problem=with_words(f"no answer within {seconds:g} s", said))
    except (OSError, CallmuxError) as error:
        return ProbeAnswer(problem=str(error))
    wanting = server if result.sign_in else None
    tools = tuple(result.tools)
    compared = None
    if compare is not None and result.error is None and isinstance(server, StdioServer):
        compared = await compare(name, server, seconds=seconds, base_dir=base_dir, heard=heard)
    return ProbeAnswer(tools, result.error, wanting, result.seen, compared)


def _rest(references: Mapping[str, str], known: Mapping[str, str]) -> dict[str, str]:
    return {name: reference for name, reference in references.items() if name not in known}
