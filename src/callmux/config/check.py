"""Checks a whole document against the model and reports every problem, not only the first. Pure.

`check_document` is called by `callmux.config.load`, `check_server` by whoever gets a single server entry (the
management interface, the overlay). Both walk over the classes of the model and their annotations.
"""

from __future__ import annotations

import sys
import types
import typing
from collections.abc import Mapping
from functools import cache, cached_property
from typing import Any, Literal

import msgspec

from callmux.config.kinds import Ignored, Kind, Refused
from callmux.config.model import Config
from callmux.config.section import Choice, Internal, Items, Section
from callmux.config.servers import TRANSPORTS, HttpServer, Server, StdioServer

Format = Literal["native", "mcpCompatible"]

_BAD = object()
"""Stands for a value whose problem has been reported."""


class Checked(msgspec.Struct, frozen=True, kw_only=True):
    """What a document says.

    Attributes:
        config: The configuration; meaningless where there are errors.
        format: Whether its servers stand under `servers` or `mcpServers`.
        errors: One sentence a problem, each starting with the key's path.
        warnings: The same for what works but is probably not meant.
        hints: Those of the warnings that name the key that was probably meant. They explain errors, too: a
            required key is missing where it is misspelt.
    """

    config: Config
    format: Format
    errors: list[str]
    warnings: list[str]
    hints: list[str]


def check_document(document: object) -> Checked:
    """Reads a parsed configuration file. References and `${VAR}` stay as written."""
    walk = _Walk()
    if not isinstance(document, dict):
        walk.error("", "Invalid config: the file must hold one JSON object")
        return Checked(config=Config(), format="native", errors=walk.errors, warnings=[], hints=[])
    native, compatible = (document.get(key) is not None for key in ("servers", "mcpServers"))
    key = "mcpServers" if compatible and not native else "servers"
    if native and compatible:
        walk.error("", 'Invalid config: specify either "servers" or "mcpServers", not both')
    elif not native and not compatible:
        walk.error("", "Invalid config: expected { servers: {...} } or { mcpServers: {...} }")
    whole: Mapping[str, Any] = document
    if "preset" in document:
        from callmux.config.presets import completed

        whole = completed(document)
    rest = {k: v for k, v in whole.items() if k not in ("servers", "mcpServers")}
    walk.also_known = () if native or compatible else ("servers", "mcpServers")
    config = walk.section(Config, rest, "")
    walk.also_known = ()
    servers = walk.value(dict[str, Server], document.get(key, {}), key) if native or compatible else {}
    if walk.errors or not isinstance(config, Config):
        config = Config()
    else:
        config = _settle(msgspec.structs.replace(config, servers=servers))
    kind: Format = "native" if key == "servers" else "mcpCompatible"
    return Checked(config=config, format=kind, errors=walk.errors, warnings=walk.warnings, hints=walk.hints)


def check_server(raw: object, path: str) -> tuple[StdioServer | HttpServer | None, list[str], list[str]]:
    """Reads one server entry.

    Returns:
        The server, or None where there are errors; the errors; the warnings.
    """
    walk = _Walk()
    server = walk.value(Server, raw, path)
    if walk.errors:
        return None, walk.errors, walk.warnings
    return _settle_server(server), [], walk.warnings


def _settle(config: Config) -> Config:
    policy = config.reconnect_policy
    longest = max(policy.max_delay_ms, policy.initial_delay_ms)
    return msgspec.structs.replace(
        config,
        servers={name: _settle_server(server) for name, server in config.servers.items()},
        reconnect_policy=msgspec.structs.replace(policy, max_delay_ms=longest),
    )


def _settle_server(server: StdioServer | HttpServer) -> StdioServer | HttpServer:
    if isinstance(server, HttpServer) and server.type is not None and server.transport is None:
        return msgspec.structs.replace(server, transport=TRANSPORTS[server.type])
    return server


class SectionKey:
    """A key of a section.

    Args:
        section: Its class.

    Attributes:
        attribute: The name that its value has there.
        required: Whether it must be there.
    """

    def __init__(self, section: type[Section], attribute: str, *, required: bool) -> None:
        self._section = section
        self.attribute = attribute
        self.required = required

    def __repr__(self) -> str:
        return f"SectionKey({self._section.__name__}.{self.attribute})"

    @cached_property
    def type(self) -> Any:
        """The type that it has when it is there; made of the annotation for those that a file has, which are
        few of all."""
        return given(_hint(self._section, self.attribute))

    @property
    def is_internal(self) -> bool:
        """Whether no file can set it."""
        return "Internal" in _annotation(self._section, self.attribute)[0] and any(
            isinstance(mark, Internal) for mark in marks(_hint(self._section, self.attribute))
        )


@cache
def keys(section: type[Section]) -> Mapping[str, SectionKey]:
    """The keys of a section by their names in the file."""
    fields, defaults = section.__struct_fields__, section.__struct_defaults__
    given_nothing = (msgspec.NODEFAULT,) * (len(fields) - len(defaults)) + defaults
    found = {
        name: SectionKey(section, field, required=default is msgspec.NODEFAULT)
        for name, field, default in zip(section.__struct_encode_fields__, fields, given_nothing, strict=True)
    }
    return {name: key for name, key in found.items() if not key.is_internal}


def _annotation(section: type[Section], attribute: str) -> tuple[str, type]:
    """What is written behind an attribute, and the class where that stands."""
    for owner in section.__mro__:
        if (written := getattr(owner, "__annotations__", {}).get(attribute)) is not None:
            return str(written), owner
    raise AttributeError(f"{section.__name__} has no annotation for {attribute}")


def _hint(section: type[Section], attribute: str) -> Any:
    """The annotation of an attribute as a type. What stands in our own modules is all that is evaluated."""
    written, owner = _annotation(section, attribute)
    return eval(written, vars(sys.modules[owner.__module__]))


def marks(hint: Any) -> tuple[object, ...]:
    """What a type is annotated with."""
    return getattr(hint, "__metadata__", ())


def given(hint: Any) -> Any:
    """`X` for `X | None`: in the model None means that the key is absent, and no file can say it."""
    if typing.get_origin(hint) in (types.UnionType, typing.Union):
        options = [option for option in typing.get_args(hint) if option is not type(None)]
        if len(options) == 1:
            return options[0]
    return hint


class _Walk:
    """Collects what is wrong on the way through a document."""

    def __init__(self) -> None:
        self.errors: list[str] = []
        self.warnings: list[str] = []
        self.hints: list[str] = []
        self.also_known: tuple[str, ...] = ()

    def error(self, path: str, text: str) -> object:
        self.errors.append(f"{path} {text}".strip())
        return _BAD

    def value(self, hint: Any, raw: object, path: str) -> Any:
        """What `raw` is as a `hint`, or `_BAD`."""
        for mark in marks(hint):
            if isinstance(mark, Kind):
                return self._leaf(mark, raw, path)
            if isinstance(mark, Choice):
                return self._choice(mark, raw, path)
            assert isinstance(mark, Items)
            return self._list(typing.get_args(typing.get_args(hint)[0])[0], mark, raw, path)
        origin = typing.get_origin(hint)
        if origin is tuple:
            return self._list(typing.get_args(hint)[0], Items(), raw, path)
        if origin is dict:
            return self._map(typing.get_args(hint)[1], raw, path)
        return self.section(hint, raw, path)

    def _leaf(self, kind: Kind, raw: object, path: str) -> object:
        try:
            return kind.read(raw)
        except Refused as problem:
            return self.error(path, str(problem))

    def _choice(self, choice: Choice, raw: object, path: str) -> object:
        if not isinstance(raw, dict):
            return self.error(path, "must be an object")
        chosen = choice.choose(raw)
        if isinstance(chosen, tuple):
            known = {name: key for option in choice.options for name, key in keys(option).items()}
            self._unknowns(raw, path, known, set())
            return self.error(_join(path, chosen[0]), chosen[1])
        others = {key for other in choice.options if other is not chosen for key in keys(other)}
        return self.section(chosen, raw, path, others)

    def _list(self, item: Any, rules: Items, raw: object, path: str) -> object:
        texts = any(isinstance(mark, Kind) for mark in marks(item))
        if not isinstance(raw, list):
            return self.error(path, "must be an array of strings" if texts else "must be an array")
        if not raw and rules.empty_is_absent:
            raise Ignored("is empty and ignored")
        if not raw and rules.at_least_one:
            return self.error(path, rules.at_least_one)
        values = [self.value(item, element, f"{path}[{n}]") for n, element in enumerate(raw)]
        if any(value is _BAD for value in values):
            return _BAD
        return tuple(dict.fromkeys(values) if rules.unique else values)

    def _map(self, item: Any, raw: object, path: str) -> object:
        texts = any(isinstance(mark, Kind) for mark in marks(item))
        if not isinstance(raw, dict):
            return self.error(path, "must be an object of string values" if texts else "must be an object")
        values = {name: self.value(item, element, f"{path}.{name}") for name, element in raw.items()}
        return _BAD if any(value is _BAD for value in values.values()) else values

    def section(
        self, section: type[Section], raw: object, path: str, elsewhere: set[str] | None = None
    ) -> object:
        """One object of the file.

        Args:
            section: Its class.
            raw: What the file has.
            path: Where.
            elsewhere: Keys that belong to another kind of this object.
        """
        if not isinstance(raw, dict):
            return self.error(path, "must be an object")
        before = len(self.errors)
        known = keys(section)
        values: dict[str, Any] = {}
        for name, key in known.items():
            if name in raw:
                try:
                    value = self.value(key.type, raw[name], _join(path, name))
                except Ignored as remark:
                    self.warnings.append(f"{_join(path, name)} {remark}")
                    continue
                values[key.attribute] = value
            elif key.required:
                self.value(key.type, None, _join(path, name))
        refused = set(self.errors[before:])
        for name, text in section.conflicts(raw):
            self.error(_join(path, name), text)
        for name, text in section.remarks(raw):
            self.warnings.append(f"{_join(path, name)} {text}")
        self._unknowns(raw, path, known, elsewhere or set())
        return _BAD if refused or len(self.errors) > before else section(**values)

    def _unknowns(
        self, raw: Mapping[str, Any], path: str, known: Mapping[str, SectionKey], elsewhere: set[str]
    ) -> None:
        for name in raw:
            if name not in known and not name.startswith(("$", "_", "//")):
                self._unknown(name, path, known, elsewhere)

    def _unknown(self, name: str, path: str, known: Mapping[str, SectionKey], elsewhere: set[str]) -> None:
        where = _join(path, name)
        if name in elsewhere:
            self.warnings.append(f"{where} is ignored: it has no meaning for this kind of entry")
            return
        from difflib import get_close_matches

        folded = {key.lower(): key for key in (*known, *self.also_known)}
        near = get_close_matches(name.lower(), folded, n=1)
        hint = f': did you mean "{folded[near[0]]}"?' if near else ""
        warning = f"{where} is not known and ignored{hint}"
        self.warnings.append(warning)
        if near:
            self.hints.append(warning)


def _join(path: str, key: str) -> str:
    return f"{path}.{key}" if path and key else path or key
