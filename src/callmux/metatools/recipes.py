"""Recipes, filled in: a name and parameters become the plan of a meta-tool.

Called by `callmux.metatools.recipe_run` and `.recipe_dry_run`, so that what is previewed is what runs. The
plan holds exactly the configured calls; nothing is guessed from the shape of a value.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import TYPE_CHECKING, Any

import msgspec
from msgspec import UNSET, Raw

from callmux.config.recipes import PARAM, Recipe, RecipeParameter, is_of_type, named_in, request
from callmux.errors import CallmuxError, InvalidArguments, RecipeNotFound
from callmux.fields import Fields, as_object
from callmux.metatools.entries import output_format
from callmux.metatools.modes import MODES, Mode
from callmux.plan import Plan, ToolCall
from callmux.rings.envelope import encode

if TYPE_CHECKING:
    from callmux.context import CallContext
    from callmux.metatools.engine import Engine

_OMITTED = object()
"""Stands for a parameter that is neither given nor has a default."""


class RecipeRequest(msgspec.Struct, frozen=True):
    """What a caller asks for.

    Attributes:
        recipe: The name of the recipe.
        arguments: Its parameters.
    """

    recipe: str
    arguments: Mapping[str, Raw]


class Filled(msgspec.Struct, frozen=True):
    """A recipe with its parameters in place.

    Attributes:
        recipe: Its name.
        mode: How its calls are made.
        plan: The plan of that meta-tool.
    """

    recipe: str
    mode: Mode
    plan: Plan


def parse(name: str, fields: Fields) -> Plan:
    """Reads a request for a recipe. Its calls are not known before `fill`.

    Raises:
        InvalidArguments: It is malformed.
    """
    recipe = fields.text("recipe")
    arguments = fields.optional_object("arguments") or {}
    return Plan(name=name, output_format=output_format(fields), options=RecipeRequest(recipe, arguments))


def fill(plan: Plan, recipes: Mapping[str, Recipe]) -> Plan:
    """The request with the calls that the recipe configures.

    Raises:
        RecipeNotFound: There is no such recipe.
        InvalidArguments: A parameter is missing or is not what the recipe declares.
    """
    asked: RecipeRequest = plan.options
    recipe = recipes.get(asked.recipe)
    if recipe is None:
        known = sorted(recipes)
        advice = "callmux_status lists them" if known else "the configuration has none"
        raise RecipeNotFound(
            f'there is no recipe "{asked.recipe}": {advice}', recipe=asked.recipe, availableRecipes=known
        )
    _, template = request(recipe)
    filler = _Filler(asked, recipe.parameters or {})
    members = filler.request(template)
    mode = MODES[recipe.mode]
    try:
        inner = mode.parse(Fields(as_object(encode(members), "recipe")))
    except InvalidArguments as error:
        where = f"recipes.{asked.recipe}.{error.details.get('field', '')}"
        details = {**error.details, "field": where}
        raise InvalidArguments(f'recipe "{asked.recipe}": {error.message}', **details) from None
    warnings = [*plan.warnings, *inner.warnings]
    inner = msgspec.structs.replace(inner, output_format=plan.output_format, warnings=warnings)
    return Plan(
        name=plan.name,
        calls=inner.calls,
        output_format=plan.output_format,
        options=Filled(asked.recipe, mode, inner),
        warnings=warnings,
        via=plan.via,
    )


class Unfilled(msgspec.Struct, frozen=True):
    """A recipe whose parameters are not right, or that is not there: who may run it is told so.

    Attributes:
        error: What is wrong.
    """

    error: CallmuxError

    def told(self, known: Collection[str]) -> CallmuxError:
        """The error for somebody who may know of these recipes."""
        error = self.error
        if not isinstance(error, RecipeNotFound):
            return error
        name = error.details["recipe"]
        advice = "callmux_status lists them" if known else "there is none that you may run"
        return RecipeNotFound(
            f'there is no recipe "{name}": {advice}', recipe=name, availableRecipes=sorted(known)
        )


def expand(plan: Plan, engine: Engine) -> Plan:
    """The request with the calls of its recipe. Where rules apply, one that cannot be filled in is judged
    first: its caller may not even know of the recipe.

    Raises:
        CallmuxError: There is no such recipe, or its parameters are not right.
    """
    try:
        return fill(plan, engine.recipes)
    except CallmuxError as error:
        if engine.sight is None:
            raise
        return unfilled(plan, engine.recipes, error)


def filled(plan: Plan, engine: Engine, context: CallContext) -> Filled:
    """The recipe of a request that was expanded.

    Raises:
        CallmuxError: It could not be filled in; its caller may know why.
    """
    if isinstance(plan.options, Unfilled) and engine.sight is not None:
        raise plan.options.told(engine.sight.recipes(context).keys())
    found: Filled = plan.options
    return found


def unfilled(plan: Plan, recipes: Mapping[str, Recipe], error: CallmuxError) -> Plan:
    """A request that cannot be filled in, with what its recipe calls, so that it can be judged first."""
    asked: RecipeRequest = plan.options
    recipe = recipes.get(asked.recipe)
    calls = [] if recipe is None else [ToolCall(spelling=t, server=server) for t, server in named_in(recipe)]
    return msgspec.structs.replace(plan, calls=calls, options=Unfilled(error))


class _Filler:
    """Puts parameters into one recipe."""

    def __init__(self, asked: RecipeRequest, declared: Mapping[str, RecipeParameter]) -> None:
        self._recipe = asked.recipe
        self._given = asked.arguments
        self._declared = declared

    def request(self, template: Mapping[str, Any]) -> dict[str, Any]:
        """The request with its placeholders filled in: they only stand inside `arguments`."""
        filled: dict[str, Any] = {}
        where = f"recipes.{self._recipe}"
        for key, value in template.items():
            if key in ("calls", "items", "steps"):
                filled[key] = [
                    self._entry(entry, f"{where}.{key}[{n}].arguments") for n, entry in enumerate(value)
                ]
            else:
                filled[key] = value
        return self._entry(filled, f"{where}.arguments")

    def _entry(self, entry: Mapping[str, Any], where: str) -> dict[str, Any]:
        if "arguments" not in entry:
            return dict(entry)
        arguments = self._value(entry["arguments"], where)
        if arguments is _OMITTED:
            return {key: value for key, value in entry.items() if key != "arguments"}
        return {**entry, "arguments": arguments}

    def _value(self, value: Any, where: str) -> Any:
        if isinstance(value, Mapping):
            if len(value) == 1 and PARAM in value:
                return self._parameter(value[PARAM], where)
            members = {key: self._value(member, f"{where}.{key}") for key, member in value.items()}
            return {key: member for key, member in members.items() if member is not _OMITTED}
        if isinstance(value, list | tuple):
            items = [self._value(item, f"{where}[{n}]") for n, item in enumerate(value)]
            return [item for item in items if item is not _OMITTED]
        return value

    def _parameter(self, name: object, where: str) -> Any:
        if not isinstance(name, str) or not name.strip():
            field = f"{where}.{PARAM}"
            raise InvalidArguments(f"{field} must be a non-empty string", field=field)
        declared = self._declared.get(name, RecipeParameter())
        given = self._given.get(name)
        if given is None:
            if declared.must_be_given:
                raise self._refused(name, "is required", declared)
            return _OMITTED if declared.default is UNSET else declared.default
        if declared.type is not None and not _fits(given, declared.type):
            raise self._refused(name, f"must be of the type {declared.type}", declared)
        return given

    def _refused(self, name: str, problem: str, declared: RecipeParameter) -> InvalidArguments:
        meaning = f": {declared.description}" if declared.description else ""
        return InvalidArguments(
            f'recipe "{self._recipe}": arguments.{name} {problem}{meaning}',
            field=f"arguments.{name}",
            parameter=name,
        )


def _fits(given: Raw, name: str) -> bool:
    try:
        return is_of_type(msgspec.json.decode(given), name)
    except (msgspec.MsgspecError, RecursionError):
        return False
