"""Where several listeners keep what they share: `state`. Pure.

Read through `callmux.config.model`; used by `callmux.process.shared_state`. References are looked up there,
so that no secret stands in the configuration.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from callmux.config import kinds
from callmux.config.node import NodeSection
from callmux.config.references import reference_of
from callmux.config.section import Problem, Section


class StateSection(Section, frozen=True, kw_only=True):
    """Where several listeners keep what they share, for the extra `callmux[redis]`.

    Attributes:
        url: The Redis or Valkey: `redis://`, `rediss://`, `unix://`, `redis+sentinel://` or
            `redis+cluster://`. The whole may be a reference, and it may hold `${env:NAME}`, `${file:PATH}`,
            `${keyring:NAME}` and `${cmd:COMMAND}`.
        username: Who signs in there; the one in the URL where absent.
        password: The password: `env:NAME`, `file:PATH`, `keyring:NAME` or `cmd:COMMAND`.
        sentinel_password: The same for the sentinels.
        key: A secret that all listeners have and Redis does not: ids of sessions are sealed with it, and
            signed-in tokens encrypted. At least 16 characters, behind a reference. Without it the seal is
            kept in Redis, and tokens stay with each listener.
        ca_file: The certificates that a server with TLS is checked by, relative to the configuration file.
        key_prefix: How every key in Redis begins.
        timeout_ms: How long a single request to Redis may take.
        connect_timeout_ms: How long connecting may take.
        on_unavailable: What happens while Redis is away. `closed`: clients whose limits cannot be counted are
            refused, and tokens are not renewed. `open`: each listener counts and renews by itself.
        node: Makes this listener one of several that are one for their clients.
    """

    url: kinds.NonBlank
    username: kinds.NonBlank | None = None
    password: kinds.SecretReference | None = None
    sentinel_password: kinds.SecretReference | None = None
    key: kinds.SecretReference | None = None
    ca_file: kinds.NonBlank | None = None
    key_prefix: kinds.NonBlank = "callmux:"
    timeout_ms: kinds.Milliseconds = 500
    connect_timeout_ms: kinds.Milliseconds = 2000
    on_unavailable: kinds.OnUnavailable = "closed"
    node: NodeSection | None = None

    @staticmethod
    def conflicts(raw: Mapping[str, Any]) -> Iterable[Problem]:
        if "node" in raw and "key" not in raw:
            yield "key", "is required with node: it proves to nodes that they are of one cluster"
        url, prefix = raw.get("url"), raw.get("keyPrefix")
        if isinstance(url, str) and "${" not in url and reference_of(url) is None:
            from callmux.config.redis_url import read_redis_url  # a start without `state` does without

            try:
                read_redis_url(url)
            except ValueError as error:
                yield "url", str(error)
        if isinstance(prefix, str) and set(prefix) & set("{}"):
            yield "keyPrefix", "cannot have { or }: they say which keys of a cluster stand together"

    @staticmethod
    def remarks(raw: Mapping[str, Any]) -> Iterable[Problem]:
        url = raw.get("url")
        if isinstance(url, str) and "${" not in url and reference_of(url) is None:
            from callmux.config.redis_url import read_redis_url

            try:
                address = read_redis_url(url)
            except ValueError:
                return
            if address.password:
                yield "url", 'holds a password: use "password" with a reference, such as env:REDIS_PASSWORD'
            if "caFile" in raw and not address.tls:
                yield "caFile", "has no effect without TLS: write rediss:// in the URL"
