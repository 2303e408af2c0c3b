"""What happens to results and listings: caching, shielding, shortening. Pure.

Read through `callmux.config.model`; used by `callmux.rings` and `callmux.router`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from callmux.config import kinds
from callmux.config.section import Problem, Section


class CachePolicy(Section, frozen=True, kw_only=True):
    """Which tools' results may be cached, by exact names or with `*`.

    Attributes:
        allow_tools: Tools that may be cached even if they do not say that they only read.
        deny_tools: Tools that are never cached; stronger than `allowTools`.
        tell_age: Say of a result from the cache how old it is, where that is more than a second.
    """

    allow_tools: tuple[kinds.Text, ...] = ()
    deny_tools: tuple[kinds.Text, ...] = ()
    tell_age: kinds.Flag = False


class ResponseShield(Section, frozen=True, kw_only=True):
    """Limits that keep large results out of the model's context; what was cut can be fetched in pages.

    Attributes:
        enabled: Shield results at all.
        preview: What goes out of a shortened result: `sample`, something of each part, or `beginning`, after
            which the first page goes on; then a result a little over a limit goes out whole.
        max_result_bytes: A result above this is shortened and stored.
        max_string_chars: A string above this is shortened.
        max_array_items: A list above this is shortened.
        allow_tools: If given, only these tools are shielded, by exact names or with `*`.
        deny_tools: These tools are never shielded; stronger than `allowTools`.
        max_stored_results: How many shortened results are kept.
        max_stored_result_bytes: The largest result that is kept.
        max_stored_bytes: What all kept results may take together.
    """

    enabled: kinds.Flag = True
    preview: kinds.Preview = "sample"
    max_result_bytes: kinds.Positive = 65536
    max_string_chars: kinds.Positive = 8192
    max_array_items: kinds.Positive = 50
    allow_tools: tuple[kinds.Text, ...] | None = None
    deny_tools: tuple[kinds.Text, ...] | None = None
    max_stored_results: kinds.Positive = 100
    max_stored_result_bytes: kinds.Positive = 67108864
    max_stored_bytes: kinds.Positive = 268435456


class ServerShield(Section, frozen=True, kw_only=True):
    """The shield of one server: what is absent counts as in the global `responseShield`.

    Attributes:
        enabled: Shield the results of this server.
        preview: What goes out of a shortened result: `sample` or `beginning`.
        max_result_bytes: A result above this is shortened and stored.
        max_string_chars: A string above this is shortened.
        max_array_items: A list above this is shortened.
        allow_tools: Added to the global `allowTools`.
        deny_tools: Added to the global `denyTools`.
    """

    enabled: kinds.Flag | None = None
    preview: kinds.Preview | None = None
    max_result_bytes: kinds.Positive | None = None
    max_string_chars: kinds.Positive | None = None
    max_array_items: kinds.Positive | None = None
    allow_tools: tuple[kinds.Text, ...] | None = None
    deny_tools: tuple[kinds.Text, ...] | None = None

    @staticmethod
    def conflicts(raw: Mapping[str, Any]) -> Iterable[Problem]:
        for key in GLOBAL_SHIELD_KEYS:
            if key in raw:
                yield key, "is only supported in global responseShield"


GLOBAL_SHIELD_KEYS = ("maxStoredResults", "maxStoredResultBytes", "maxStoredBytes")
"""The store is one for all servers."""


class SchemaCompression(Section, frozen=True, kw_only=True):
    """Shortening of the tool definitions in `tools/list`.

    Attributes:
        enabled: Shorten at all.
        mode: How much: `off`, `balanced` or `aggressive`.
        max_description_chars: Where a description is cut.
    """

    enabled: kinds.Flag = True
    mode: kinds.Compression = "balanced"
    max_description_chars: kinds.Positive = 160


class ServerCompression(Section, frozen=True, kw_only=True):
    """The shortening for one server: what is absent counts as in the global `schemaCompression`.

    Attributes:
        enabled: Shorten the tools of this server.
        mode: How much: `off`, `balanced` or `aggressive`.
        max_description_chars: Where a description is cut.
    """

    enabled: kinds.Flag | None = None
    mode: kinds.Compression | None = None
    max_description_chars: kinds.Positive | None = None
