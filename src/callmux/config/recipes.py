"""Named workflows: calls of a meta-tool with placeholders. Pure.

Read through `callmux.config.model`; `callmux.metatools.recipe` runs what `request` returns.
"""

from __future__ import annotations

from typing import Annotated, Any, TypeAlias

import msgspec

from callmux.config import kinds
from callmux.config.section import Items, Section, by_mode


class RecipeItem(Section, frozen=True, kw_only=True):
    """One call of a batch.

    Attributes:
        arguments: The tool's arguments.
        timeout_ms: Time for this call.
        cwd: An absolute working directory.
    """

    arguments: kinds.JsonObject
    timeout_ms: kinds.Milliseconds | None = None
    cwd: kinds.AbsolutePath | None = None


class RecipeCall(Section, frozen=True, kw_only=True):
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


class CommonRecipe(Section, frozen=True, kw_only=True):
    """What all recipes have. A value `{"$param": "name"}` in arguments is replaced when the recipe runs.

    Attributes:
        mode: The meta-tool it runs: `call`, `parallel`, `batch` or `pipeline`.
        description: What it is for.
        timeout_ms: Time for each call.
        cwd: An absolute working directory.
    """

    mode: kinds.RecipeMode
    description: kinds.NonBlank | None = None
    timeout_ms: kinds.Milliseconds | None = None
    cwd: kinds.AbsolutePath | None = None


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


def request(recipe: Recipe) -> tuple[str, dict[str, Any]]:
    """The meta-tool a recipe runs and its arguments, placeholders still in place.

    The children of parallel and pipeline recipes get the recipe's `timeoutMs` and `cwd` where they lack their
    own; in a batch these stay beside the items.
    """
    arguments: dict[str, Any] = msgspec.to_builtins(recipe, str_keys=True)
    del arguments["mode"]
    arguments.pop("description", None)
    if isinstance(recipe, BatchRecipe):
        arguments["items"] = list(arguments["items"])
    if isinstance(recipe, ParallelRecipe | PipelineRecipe):
        inherited = {key: arguments.pop(key) for key in ("timeoutMs", "cwd") if key in arguments}
        children = "calls" if isinstance(recipe, ParallelRecipe) else "steps"
        arguments[children] = [{**inherited, **child} for child in arguments[children]]
    return f"callmux_{recipe.mode}", arguments
