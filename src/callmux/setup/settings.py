"""What setup writes beside servers: the preset, the cache, which tools are listed. Pure.

Called by `callmux.setup.plan`, and by `callmux.cli.init` for what a new configuration begins with.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from callmux.config.model import Config
from callmux.config.notation import delete_value, parse, set_value
from callmux.config.presets import KEY, PRESETS, completed, lines

ONE_APPROVAL = (
    "A client asks its user about callmux_call, and not about the tool behind it: whoever lets callmux_call"
    " pass once for all has allowed every tool of every server. denyTools of a server holds inside of it,"
    ' and so does "approve": ["write"], with which callmux asks itself (docs/approval.md)'
)
"""What people should know before agents have the meta-tools alone."""


def beginning(schema: str | None, preset: str | None) -> dict[str, Any]:
    """What an empty configuration holds; with a preset it has no key that this one sets.

    Args:
        schema: The name of the schema beside it, where there is one.
        preset: Its preset, or `none`.
    """
    named = {} if schema is None else {"$schema": f"./{schema}"}
    if preset in PRESETS:
        return {**named, KEY: preset, "servers": {}}
    defaults = Config()
    return {
        **named,
        "servers": {},
        "cacheTtlSeconds": defaults.cache_ttl_seconds,
        "maxConcurrency": defaults.max_concurrency,
    }


def written(
    path: str, text: str, preset: str | None, cache_seconds: int | None, meta_only: bool | None
) -> str:
    """A configuration with these settings in it; None leaves one as it is.

    Args:
        path: Its name.
        text: What it holds.
        preset: Its preset, or `none`.
        cache_seconds: How long results are kept.
        meta_only: Whether the meta-tools alone are listed.

    Raises:
        ConfigError: It cannot be changed there.
    """
    if preset is not None:
        named = parse(path, text).get(KEY)
        if preset in PRESETS and named != preset:
            text = set_value(path, text, [KEY], preset)
        elif preset not in PRESETS and named is not None:
            text = delete_value(path, text, [KEY])
    if cache_seconds is not None:
        text = set_value(path, text, ["cacheTtlSeconds"], cache_seconds)
    if meta_only is not None and meta_only != completed(parse(path, text)).get("metaOnly", False):
        text = set_value(path, text, ["metaOnly"], meta_only)
    return text


def notes(document: Mapping[str, Any], preset: str | None, meta_only: bool | None) -> list[str]:
    """What people should know of settings that were chosen: what a preset sets, and what agents may do then
    after a single approval.

    Args:
        document: The configuration as it will be.
        preset: What was chosen.
        meta_only: The same.
    """
    if preset is None and meta_only is None:
        return []
    said = lines(document) if preset is not None else []
    return [*said, ONE_APPROVAL] if completed(document).get("metaOnly") is True else said
