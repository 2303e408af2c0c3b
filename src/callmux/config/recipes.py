"""Named workflows: calls of a meta-tool with placeholders. Pure.

Read through `callmux.config.model`; `callmux.metatools.recipes` fills in and runs what `request` returns.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Annotated, Any, TypeAlias

import msgspec
from msgspec import UNSET

from callmux.config import kinds
from callmux.config.section import Items, Problem, Section, by_mode

PARAM = "$param"

_PYTHON_TYPES: Mapping[str, tuple[type, ...]] = {
    "string": (str,),
    "number": (int, float),
    "integer": (int, float),
    "boolean": (bool,),
    "object": (dict,),
    "array": (list,),
}


def is_of_type(value: object, name: str) -> bool:
    """Whether a JSON value is of a JSON type; 5.0 is an integer, too."""
    if isinstance(value, bool):
        return name == "boolean"
    return isinstance(value, _PYTHON_TYPES[name]) and (
        name != "integer" or not isinstance(value, float) or value.is_integer()
    )


def placeholders(value: object, path: str) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """The objects in `value` that have a member `$param`, and where they stand."""
    if isinstance(value, Mapping):
        if PARAM in value:
            yield path, value
            if len(value) == 1:
                return
        for key, member in value.items():
            yield from placeholders(member, f"{path}.{key}")
    elif isinstance(value, list | tuple):
        for n, item in enumerate(value):
            yield from placeholders(item, f"{path}[{n}]")


class _WithArguments(Section, frozen=True, kw_only=True):
    """What has `arguments` with placeholders in them."""

    @staticmethod
    def conflicts(raw: Mapping[str, Any]) -> Iterable[Problem]:
        for where, found in placeholders(raw.get("arguments"), "arguments"):
            name = found[PARAM]
            if len(found) == 1 and not (isinstance(name, str) and name.strip()):
                yield f"{where}.{PARAM}", "must be a non-empty string, the name of a parameter"

    @staticmethod
    def remarks(raw: Mapping[str, Any]) -> Iterable[Problem]:
        for where, found in placeholders(raw.get("arguments"), "arguments"):
            if len(found) > 1:
                yield where, f'has other keys beside "{PARAM}", so it is sent as it stands'


class RecipeParameter(Section, frozen=True, kw_only=True):
    """A declared parameter.

    Attributes:
        description: What it is for.
        type: What its value must be; any value where absent.
        required: Whether it must be given. It must unless there is a default.
        default: The value where none is given. Where there is none either, what the placeholder stands for
            is left out.
    """

    description: kinds.NonBlank | None = None
    type: kinds.JsonType | None = None
    required: kinds.Flag | None = None
    default: kinds.Json = UNSET

    @staticmethod
    def conflicts(raw: Mapping[str, Any]) -> Iterable[Problem]:
        declared = raw.get("type")
        known = isinstance(declared, str) and declared in _PYTHON_TYPES
        if known and "default" in raw and not is_of_type(raw["default"], str(declared)):
            yield "default", f"must be of the declared type, {declared}"
        if "default" in raw and raw.get("required") is True:
            yield "default", "has no meaning for a parameter that must be given"

    @property
    def must_be_given(self) -> bool:
        """Whether a run without it is refused."""
        return self.default is UNSET if self.required is None else self.required


class RecipeItem(_WithArguments, frozen=True, kw_only=True):
    """One call of a batch.

    Attributes:
        arguments: The tool's arguments.
        timeout_ms: Time for this call.
        cwd: An absolute working directory.
    """

    arguments: kinds.JsonObject
    timeout_ms: kinds.Milliseconds | None = None
    cwd: kinds.AbsolutePath | None = None


class RecipeCall(_WithArguments, frozen=True, kw_only=True):
    """One of several parallel calls.

    Attributes:
        tool: The tool.
        server: Its server, where the name alone is not clear.
        arguments: The tool's arguments.
        timeout_ms: Time for this call; the recipe's where absent.
        cwd: An absolute working directory; the recipe's where absent.
    """

    tool: kinds.NonBlank
    server: kinds.NonBlank | None = None
    arguments: kinds.JsonObject | None = None
    timeout_ms: kinds.Milliseconds | None = None
    cwd: kinds.AbsolutePath | None = None


class RecipeStep(RecipeCall, frozen=True, kw_only=True):
    """One step of a pipeline.

    Attributes:
        input_mapping: Arguments taken from the result of the step before, as expressions such as `$json.id`.
        on_mapping_missing: What to do if such a value is not there: `continue` or `fail`.
    """

    input_mapping: dict[str, kinds.Text] | None = None
    on_mapping_missing: kinds.OnMappingMissing | None = None


class CommonRecipe(_WithArguments, frozen=True, kw_only=True):
    """What all recipes have. A value `{"$param": "name"}` in arguments is replaced when the recipe runs.

    Attributes:
        mode: The meta-tool it runs: `call`, `parallel`, `batch` or `pipeline`.
        description: What it is for.
        parameters: What may be said of the parameters, by name; a parameter that is not declared must be
            given and may be anything.
        timeout_ms: Time for each call.
        cwd: An absolute working directory.
    """

    mode: kinds.RecipeMode
    description: kinds.NonBlank | None = None
    parameters: dict[str, RecipeParameter] | None = None
    timeout_ms: kinds.Milliseconds | None = None
    cwd: kinds.AbsolutePath | None = None

    @staticmethod
    def conflicts(raw: Mapping[str, Any]) -> Iterable[Problem]:
        yield from _WithArguments.conflicts(raw)
        if isinstance(declared := raw.get("parameters"), dict) and any(not name.strip() for name in declared):
            yield "parameters", "names must be non-empty strings"

    @staticmethod
    def remarks(raw: Mapping[str, Any]) -> Iterable[Problem]:
        yield from _WithArguments.remarks(raw)
        if isinstance(declared := raw.get("parameters"), dict):
            parts = {key: raw[key] for key in ("arguments", "calls", "items", "steps") if key in raw}
            used = {found[PARAM] for _, found in placeholders(parts, "") if _is_placeholder(found)}
            yield from ((f"parameters.{name}", "is not used") for name in declared if name not in used)


def _is_placeholder(found: Mapping[str, Any]) -> bool:
    return len(found) == 1 and isinstance(found[PARAM], str)


class CallRecipe(CommonRecipe, frozen=True, kw_only=True):
    """One call.

    Attributes:
        tool: The tool.
        server: Its server, where the name alone is not clear.
        arguments: The tool's arguments.
    """

    tool: kinds.NonBlank
    server: kinds.NonBlank | None = None
    arguments: kinds.JsonObject | None = None


class ParallelRecipe(CommonRecipe, frozen=True, kw_only=True):
    """Independent calls at the same time.

    Attributes:
        calls: The calls.
    """

    calls: tuple[RecipeCall, ...]


class BatchRecipe(CommonRecipe, frozen=True, kw_only=True):
    """Many calls of one tool.

    Attributes:
        tool: The tool.
        server: Its server, where the name alone is not clear.
        items: The calls.
    """

    tool: kinds.NonBlank
    items: tuple[RecipeItem, ...]
    server: kinds.NonBlank | None = None


class PipelineRecipe(CommonRecipe, frozen=True, kw_only=True):
    """Calls one after the other, each using the result before it.

    Attributes:
        steps: The calls, at least one.
    """

    steps: Annotated[tuple[RecipeStep, ...], Items(at_least_one="must contain at least one step")]


Recipe: TypeAlias = Annotated[
    CallRecipe | ParallelRecipe | BatchRecipe | PipelineRecipe,
    by_mode(
        ("call", CallRecipe),
        ("parallel", ParallelRecipe),
        ("batch", BatchRecipe),
        ("pipeline", PipelineRecipe),
    ),
]


def named_in(recipe: Recipe) -> list[tuple[str, str | None]]:
    """The tools it calls, each with the server beside it."""
    if isinstance(recipe, ParallelRecipe):
        return [(call.tool, call.server) for call in recipe.calls]
    if isinstance(recipe, PipelineRecipe):
        return [(step.tool, step.server) for step in recipe.steps]
    return [(recipe.tool, recipe.server)]


def request(recipe: Recipe) -> tuple[str, dict[str, Any]]:
    """The meta-tool a recipe runs and its arguments, placeholders still in place.

    The children of parallel and pipeline recipes get the recipe's `timeoutMs` and `cwd` where they lack their
    own; in a batch these stay beside the items.
    """
    arguments: dict[str, Any] = msgspec.to_builtins(recipe, str_keys=True)
    for own in ("mode", "description", "parameters"):
        arguments.pop(own, None)
    if isinstance(recipe, BatchRecipe):
        arguments["items"] = list(arguments["items"])
    if isinstance(recipe, ParallelRecipe | PipelineRecipe):
        inherited = {key: arguments.pop(key) for key in ("timeoutMs", "cwd") if key in arguments}
        children = "calls" if isinstance(recipe, ParallelRecipe) else "steps"
        arguments[children] = [{**inherited, **child} for child in arguments[children]]
    return f"callmux_{recipe.mode}", arguments
