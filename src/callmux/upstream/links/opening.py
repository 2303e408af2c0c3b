"""From a server's configuration to a link: environment, secrets, and which kind of link it takes.

Called by `callmux.upstream.pool` at each attempt to connect, so that a changed secret is seen.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TypeAlias

import msgspec

from callmux.config.env_file import read_env_file
from callmux.config.references import Reference, Template
from callmux.config.server_secrets import veil_of
from callmux.config.servers import HttpServer, StdioServer
from callmux.config.veil import EVERYWHERE, GrowingVeil
from callmux.context import Scope
from callmux.errors import SecretError
from callmux.secrets.resolving import filled_in, is_slow, resolve, values_of
from callmux.upstream.failures import CallFailure, Category
from callmux.upstream.guardian import Guardian
from callmux.upstream.links.child import ChildLink, Launch
from callmux.upstream.links.credentials import Credentials, FixedHeaders
from callmux.upstream.links.late import LateLink
from callmux.upstream.links.link import Link
from callmux.upstream.links.veiled import VeiledLink
from callmux.upstream.process_bound import ProcessBound

OWN_SECRETS = frozenset({"CALLMUX_TOKEN"})
"""Variables of ours that no server inherits."""


CredentialsFor: TypeAlias = Callable[
    [str, HttpServer, Mapping[str, str], Scope, Callable[[str], None]], Credentials
]
"""Gives the credentials of a link by a server's name, entry, headers and scope, and tells what is secret."""


class Surroundings(msgspec.Struct, frozen=True, kw_only=True):
    """What links need of the process they run in.

    Attributes:
        env: The environment that servers inherit.
        base_dir: Where relative `file:` references start.
        guardian: Where process groups are noted.
        show: Takes a server's name and a line it wrote to stderr.
        private: Variables that no server inherits: they hold what our own clients show us.
        bound: Counts the processes of all servers.
        credentials: Gives those of a link to a server at a URL whose headers hold none; None where callmux
            signs in nowhere.
    """

    env: Mapping[str, str]
    base_dir: Path
    guardian: Guardian
    show: Callable[[str, str], None]
    private: set[str] = msgspec.field(default_factory=set)
    credentials: CredentialsFor | None = None
    bound: ProcessBound = msgspec.field(default_factory=ProcessBound)


def transport_of(config: StdioServer | HttpServer) -> str:
    """The transport as status shows it before the first connection."""
    return "stdio" if isinstance(config, StdioServer) else config.transport or "streamable-http"


def secrets_of(config: StdioServer | HttpServer, around: Surroundings) -> tuple[str, ...]:
    """A digest of what each variable, file and `envFile` that it refers to gives now, so that a change of a
    secret is seen; the reason where one gives nothing. Nobody else is asked for it."""
    found = []
    if isinstance(config, StdioServer) and config.env_file is not None:
        try:
            values = sorted(read_env_file(config.env_file, around.base_dir).items())
            found.append(_digest(repr(values)))
        except SecretError as error:
            found.append(error.message)
    for _, template in sorted(_templates(config).items()):
        for reference in template:
            if isinstance(reference, Reference) and not is_slow((reference,)):
                try:
                    found.append(_digest(resolve(str(reference), around.base_dir, around.env)))
                except SecretError as error:
                    found.append(error.message)
    return tuple(found)


def _digest(text: str) -> str:
    from hashlib import sha256

    return sha256(text.encode("utf-8", "surrogateescape")).hexdigest()


def _templates(config: StdioServer | HttpServer) -> dict[str, Template]:
    """Every value that has references, by its path."""
    if isinstance(config, HttpServer) or not config.env_refs:
        return config.templates
    refs: dict[str, Template] = {}
    for variable, reference in config.env_refs.items():
        scheme, _, rest = reference.strip().partition(":")
        refs[f"envRefs.{variable}"] = (Reference(scheme, rest),)
    return {**config.templates, **refs}


def open_link(
    name: str, config: StdioServer | HttpServer, around: Surroundings, scope: Scope | None = None
) -> Link:
    """A new link, not yet open.

    Args:
        scope: The directory or credentials it has; those of the configuration where absent.

    Raises:
        CallFailure: The configuration gives none: a secret is missing, or the kind is not supported.
    """
    if config.problem is not None:
        raise CallFailure(Category.TRANSPORT, config.problem, started=False)
    templates = _templates(config)
    if any(map(is_slow, templates.values())):
        # Password managers and keyrings take their time: they are asked when the link is opened.
        async def later() -> Link:
            from callmux.secrets.lookup import resolved

            try:
                values = await resolved(templates, around.base_dir, around.env)
            except SecretError as error:
                raise _unresolved(error) from None
            return _open(name, config, around, scope, values)

        return LateLink(name, transport_of(config), later)
    try:
        values = values_of(templates, around.base_dir, around.env)
    except SecretError as error:
        raise _unresolved(error) from None
    return _open(name, config, around, scope, values)


def _unresolved(error: SecretError) -> CallFailure:
    return CallFailure(Category.TRANSPORT, error.message, started=False)


def _open(
    name: str,
    config: StdioServer | HttpServer,
    around: Surroundings,
    scope: Scope | None,
    values: Mapping[str, tuple[str, list[str]]],
) -> Link:
    """The link of a server whose references have been looked up."""
    secrets = [secret for _, found in values.values() for secret in found]
    if isinstance(config, HttpServer):
        scope = scope or Scope()
        config = filled_in(config, values)
        veil = veil_of(config, secrets, headers=dict(scope.headers))
        EVERYWHERE.learn(veil)
        growing = GrowingVeil(veil)
        return VeiledLink(_open_remote(name, config, scope, growing, around), growing)
    texts = {place: value for place, (value, _) in values.items()}
    env = {k: v for k, v in around.env.items() if k not in OWN_SECRETS and k not in around.private}
    more: dict[str, str] = {}
    if config.env_file is not None:
        try:
            more = read_env_file(config.env_file, around.base_dir)
        except SecretError as error:
            raise CallFailure(Category.TRANSPORT, f"envFile: {error.message}", started=False) from None
        env.update(more)
    env.update({key: texts.get(f"env.{key}", value) for key, value in config.env.items()})
    env.update({key: texts[f"envRefs.{key}"] for key in config.env_refs})
    args = tuple(texts.get(f"args[{n}]", word) for n, word in enumerate(config.args))
    veil = veil_of(config, secrets, more=more, inherited=env)
    EVERYWHERE.learn(veil)
    launch = Launch(
        command=config.command,
        args=args,
        env=env,
        cwd=config.cwd if scope is None or scope.cwd is None else scope.cwd,
        veil=veil,
        leaves=config.detached == "leave",
    )
    child = ChildLink(name, launch, around.guardian, lambda line: around.show(name, line), around.bound)
    return VeiledLink(child, veil)


def _open_remote(
    name: str, config: HttpServer, scope: Scope, veil: GrowingVeil, around: Surroundings
) -> Link:
    # aiohttp takes longer to import than a whole bridge to start: only who has remote servers pays for it.
    from callmux.protocol.http_client import is_web_url
    from callmux.upstream.links.fallback import FallbackLink
    from callmux.upstream.links.http import HttpLink
    from callmux.upstream.links.sse import SseLink

    if not is_web_url(config.url):
        cause = veil.hide(f'its url "{config.url}" must start with http:// or https://')
        raise CallFailure(Category.TRANSPORT, cause, started=False)
    credentials = _credentials(name, config, scope, veil, around)
    limit = config.response_body_max_bytes
    if config.transport == "sse":
        return SseLink(name, config.url, credentials, limit)
    first = HttpLink(name, config.url, credentials, limit)
    if config.transport is not None:
        return first
    return FallbackLink(name, first, lambda: SseLink(name, config.url, credentials, limit))


def _credentials(
    name: str, config: HttpServer, scope: Scope, veil: GrowingVeil, around: Surroundings
) -> Credentials:
    # A client's own value goes before the configured one, in whatever spelling that has.
    own = dict(scope.headers)
    headers = {k: v for k, v in config.headers.items() if k.lower() not in own} | own
    if around.credentials is None or "authorization" in map(str.lower, headers):
        return FixedHeaders(headers)
    return around.credentials(name, config, headers, scope, veil.learn)
