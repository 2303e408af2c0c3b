"""The rules of docs/design.md that a parser can check: who imports whom, what is pure, what is small."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

from tests.architecture import (
    Source,
    booleans_without_whether,
    callers_that_do_not_call,
    circles,
    classes_in_two_places,
    holders_that_are_handed_nothing,
    log_texts,
    module_of,
    names_of_nothing,
    used_by_tests_only,
)
from tests.same_names import SAME_NAME

TESTS = Path(__file__).parent
SOURCE = TESTS.parent / "src" / "callmux"

LAYERS = [
    {"__main__"},
    {"cli"},
    {"setup", "migrate"},
    {"demo", "doctor", "daemon", "shell"},
    {"library"},
    {"serving.assembly"},
    {"serving.trees"},
    {"management", "dashboard"},
    {"clients"},
    {"serving"},
    {"process.config_watch"},
    {"process.file_watch", "process.rebuilds", "process.control", "process.orders"},
    {"process.host"},
    {"process.portraits"},
    {"process.changes"},
    {"process.entitlements"},
    {"process.runtime"},
    {"process.workings"},
    {"process.oversight"},
    {"process", "admin", "bridge", "nodes"},
    {"transport"},
    {"session"},
    {"router"},
    {"metatools"},
    {"rings"},
    {"oauth"},
    {"upstream"},
    {"guard"},
    {"stores"},
    {"observe"},
    {"config"},
    {"secrets"},
    {"plan"},
    {"protocol"},
    {"context"},
    {"guard.principal"},
]
"""Outermost first. A module imports its own package and what stands further down; the files named nowhere
here are the single files at the bottom."""
LEAVES = {"config"}

PURE = {"protocol", "config", "errors", "names", "fields", "plan", "context", "upstream.catalogue"}
"""What decides and touches nothing. Every other module whose docstring says "Pure." is held to it too."""
IN_MEMORY = ("os.path", "io.BytesIO")
"""What has the name of something that touches the world, and does not."""
IMPURE_INSIDE = {"config.env_file", "config.load", "config.secrets", "config.sources", "config.locations"}
IO_MODULES = re.compile(
    r"(asyncio|socket|subprocess|os|pathlib|time|threading|ssl|selectors|signal|select|shutil|tempfile|io"
    r"|multiprocessing|concurrent|http|urllib\.request|sqlite3|uvloop|aiohttp|uvicorn|starlette|httptools)(\.|$)"
)

MAX_LINES = 400
LONGER: dict[str, tuple[int, str]] = {}
"""Module -> (its own limit, why it is one concept)."""

TESTED_ELSEWHERE: dict[str, tuple[str, str]] = {}
"""Module -> (the test file that covers it, why there)."""
DATA = {"cli.grammar": "cli/grammar/test_table.py", "failures": "failures/test_registry.py"}
"""Package of tables -> the one test file that goes through them all; what has a test file of its own may."""

STARTS_TASKS = {"tasks"}
PRINTS = {"cli", "demo.servers"}
CATCHES_ALL: dict[str, str] = {
    "kept_code": "whatever is imported while callmux is removed or updated goes on",
    "aside": "the root of a thread: raised where its work is awaited",
    "bridge.questions": "the root of a listener's question",
    "rings.ring": "the root of a job: its failure is its outcome",
    "router.door": "the same for each call inside a fan-out",
    "metatools.children": "what is called with the outcome of such a call, outside of any task",
    "rings.shield.worker": "the root of a job: it is answered, and ends nobody else's",
    "session.session": "the root of a request's task",
    "upstream.open_questions": "the root of a server's question",
    "upstream.opening.main_line": "the root of an attempt to connect",
    "upstream.links.http": "the roots of requests and of the watch over the server",
    "upstream.links.sse": "the roots of the stream and of requests",
    "library.listener": "what a program has begun ends, whatever went wrong, which is raised again",
    "observe.scribe": "the root of its thread: what follows is written all the same",
    "observe.bus": "the end of a listener: what it raises is no business of who published",
    "process.file_watch": "the root of a reload: the old configuration goes on",
    "transport.http.app": "the root of an HTTP request",
    "transport.http.listener": "the root of a look through the sessions: the next one comes all the same",
    "transport.http.plain": "the root of a plain request: raised where those of all requests are answered",
}
"""Module -> why every exception ends there."""

READ_ARGV = {
    "cli.main": "the only one that takes them for a command line",
    "cli.handover": "a new process is started as this one was",
    "demo.servers.wire": "the servers of the demo are programs of their own",
    "rings.shield.worker": "the number of a descriptor, from its parent",
    "upstream.leftovers": "what a guardian is to clear, which has nothing else to say it with",
}
"""Module -> why it looks at the command line of its process."""
LOOK_FOR_DASHES = {
    "cli.call": "which flags were given, to name two that exclude each other",
    "cli.main": "whether a command is named, and for which one help is asked",
    "cli.parsing": "the one parser",
    "cli.secret": "a secret on the command line, which no message may repeat",
    "cli.server_words": "what was probably meant by a line that cannot be understood",
    "clients.bridges": "our entry in a client's file",
    "clients.dependence": "paths in the command of a server, and whether it is a script",
    "clients.entry": "the command of a server in a client's file",
    "clients.packages": "the package that the command of a server runs",
    "config.redact": "secrets in the command of a server",
    "doctor.clients": "our entry in a client's file",
    "migrate.plan": "an entry of callmux (npm) in a client's file",
    "migrate.units": "the command of a service of callmux (npm)",
    "upstream.links.container": "the command of a server that runs a container",
}
"""Module -> what it looks for in words that begin with dashes."""
CHOOSE_STORES = {
    "guard.attempts",
    "guard.limits",
    "process.stores",
    "rings.shield.shelf",
    "transport.http.kept",
}
"""Who knows that stores are in memory; all others, the stores themselves apart, know their interfaces."""
CIRCLES: list[list[str]] = []
NO_MODULES = {
    ".bak": "the ending of a file",
    ".git": "a folder",
    "admin.mcp": "a key in the settings of Gemini CLI",
}
"""Words between backquotes that look like names of ours -> what they are."""

CALLED_FROM_OUTSIDE = {
    "cli.own_log._FileHandler": "logging",
    "cli.stderr.Stderr": "a text stream: `print` and the logging handlers call it",
    "clients.instructions.MODES": "what the flag takes; the grammar, which must load nothing, is held to it",
    "clients.instructions.PROFILES": "the same",
    "library.gateway.Gateway": "programs of others",
    "library.gateway.ToolResult": "programs of others",
    "library.listener.Listener": "programs of others",
    "management.client.ManagementClient": "programs of others",
    "bridge.client.Connection": "httptools",
    "own_modules.OwnModules": "Python: it is a finder of modules",
    "transport.http.direct.DirectProtocol": "uvicorn and httptools",
    "transport.http.narrow.NarrowProtocol": "uvicorn and httptools",
    "upstream.links.child_output.ChildOutput": "asyncio",
}
"""Definitions, and classes with their methods, that something beside callmux calls -> who."""


MOST_UNSAID = 0
"""Docstrings of booleans that do not say "Whether": so many may be there."""
AS_IN_THE_ORIGINAL = (
    "Connected to ",
    "Config reload failed ",
    "Reloaded config from ",
    "Watching config for hot reload",
    'Server "%s" disconnected',
)
"""How log lines begin that scripts look for: callmux (npm) writes them so."""


@cache
def modules() -> dict[str, Path]:
    """Every module by its name below `callmux`; the package itself is `__init__`."""
    return {module_of(str(path.relative_to(SOURCE))): path for path in sorted(SOURCE.rglob("*.py"))}


@cache
def source() -> Source:
    return Source.of_folder(SOURCE)


@pytest.fixture(scope="module", autouse=True)
def _forgotten() -> Iterator[None]:
    """What other tests collect as garbage later is not held up by millions of nodes."""
    yield
    source.cache_clear()


def tree(path: Path) -> ast.Module:
    return source().trees[module_of(str(path.relative_to(SOURCE)))]


def nodes(path: Path) -> list[ast.AST]:
    """Everything in a module's tree."""
    return source().nodes[module_of(str(path.relative_to(SOURCE)))]


def within(module: str, places: set[str] | dict[str, str]) -> str | None:
    """The longest of `places` that is `module` or a package around it."""
    parts = module.split(".")
    return next((p for n in range(len(parts), 0, -1) if (p := ".".join(parts[:n])) in places), None)


def layer(module: str) -> tuple[int, str]:
    """Depth (0 is outermost) and the unit of that layer the module belongs to."""
    owner = within(module, {unit for units in LAYERS for unit in units})
    if owner is None:
        return len(LAYERS), "the single files"
    return next(depth for depth, units in enumerate(LAYERS) if owner in units), owner


def imports(path: Path) -> Iterator[tuple[int, str]]:
    """Line and full name of everything imported, in functions and under TYPE_CHECKING too."""
    known = modules()
    for node in nodes(path):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = "." * node.level + (node.module or "")
            for alias in node.names:
                name = f"{base}.{alias.name}"
                is_module = name.removeprefix("callmux.") in known or name in IN_MEMORY
                yield node.lineno, name if is_module else base


def project_imports(path: Path) -> Iterator[tuple[int, str]]:
    for line, name in imports(path):
        if name.startswith("callmux."):
            yield line, name.removeprefix("callmux.")


def test_imports_point_down() -> None:
    """A layer never imports one above or beside it; config is open to all."""
    wrong = []
    for module, path in modules().items():
        if module == "__init__":
            continue
        depth, unit = layer(module)
        for line, target in project_imports(path):
            target_depth, target_unit = layer(target)
            open_to_all = target_unit in LEAVES and depth < len(LAYERS)
            if not (target_unit == unit or target_depth > depth or open_to_all):
                wrong.append(f"{module}:{line} imports {target}")
    assert not wrong, "\n".join(wrong)


def test_imports_are_absolute_and_name_real_modules() -> None:
    """`from . import x` would hide a direction from the test above."""
    wrong = [
        f"{module}:{line} {name}"
        for module, path in modules().items()
        for line, name in imports(path)
        if name.startswith(".") or (name.startswith("callmux.") and name[8:] not in modules())
    ]
    assert not wrong, "\n".join(wrong)


def test_pure_modules_touch_nothing() -> None:
    """No event loop, socket, file, clock or process, and no project module that has one."""
    wrong = []
    pure = {
        module
        for module, path in modules().items()
        if (within(module, PURE) and module not in IMPURE_INSIDE)
        or "Pure." in (ast.get_docstring(tree(path)) or "")
    }
    for module in sorted(pure):
        path = modules()[module]
        for line, name in imports(path):
            if name in IN_MEMORY or (name.startswith("callmux.") and name[8:] in pure):
                continue
            if name.startswith("callmux.") or IO_MODULES.match(name):
                wrong.append(f"{module}:{line} imports {name}")
        for node in nodes(path):
            if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "os":
                if node.attr != "path":
                    wrong.append(f"{module}:{node.lineno} uses os.{node.attr}")
            elif isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "open":
                wrong.append(f"{module}:{node.lineno} opens a file")
    assert not wrong, "\n".join(wrong)


def test_modules_are_short() -> None:
    """Longer than 400 lines is two concepts, or an exception with a reason."""
    lengths = {module: len(path.read_text("utf-8").splitlines()) for module, path in modules().items()}
    limits = {module: LONGER.get(module, (MAX_LINES, ""))[0] for module in lengths}
    assert not {m: n for m, n in lengths.items() if n > limits[m]}
    assert not {m for m in LONGER if lengths.get(m, 0) <= MAX_LINES}, "exceptions no longer needed"


def test_every_module_says_what_it_is() -> None:
    """A docstring each."""
    assert not [m for m, path in modules().items() if not ast.get_docstring(tree(path))]


def test_every_module_has_a_test_file_of_its_name() -> None:
    """`upstream/lanes.py` is tested in `tests/upstream/test_lanes.py`."""
    missing = []
    for module, path in modules().items():
        if path.name in ("__init__.py", "__main__.py"):
            continue
        own = Path(*module.split(".")[:-1], f"test_{path.name}")
        expected = Path(TESTED_ELSEWHERE[module][0]) if module in TESTED_ELSEWHERE else own
        package = within(module, DATA)
        if package is not None and not (TESTS / own).is_file():
            expected = Path(DATA[package])
        if not (TESTS / expected).is_file():
            missing.append(f"tests/{expected}")
        if module in TESTED_ELSEWHERE and (TESTS / own).is_file():
            missing.append(f"{module} has a test file of its own now: drop the exception")
    assert not missing, "\n".join(missing)


def _calls(name: str) -> Iterator[str]:
    """Where something called `name`, or `x.name`, is called."""
    for module, path in modules().items():
        for node in nodes(path):
            if isinstance(node, ast.Call):
                function = node.func
                called = getattr(function, "attr", None) or getattr(function, "id", None)
                if called == name:
                    yield f"{module}:{node.lineno}"


@pytest.mark.parametrize("name", ["create_task", "ensure_future", "run_coroutine_threadsafe"])
def test_tasks_start_in_one_place(name: str) -> None:
    """Everything else uses `callmux.tasks`, so that each task has an owner."""
    assert not [place for place in _calls(name) if place.split(":")[0] not in STARTS_TASKS]


def test_only_the_command_line_prints() -> None:
    """In stdio mode standard output is the wire."""
    assert not [place for place in _calls("print") if not within(place.split(":")[0], PRINTS)]


def test_only_named_places_catch_everything() -> None:
    """`except Exception` belongs to the outermost stage and to the roots of tasks."""
    found: dict[str, int] = {}
    for module, path in modules().items():
        for node in nodes(path):
            if isinstance(node, ast.ExceptHandler):
                kinds = node.type.elts if isinstance(node.type, ast.Tuple) else [node.type]
                if any(
                    kind is None or getattr(kind, "id", "") in ("Exception", "BaseException")
                    for kind in kinds
                ):
                    found[module] = node.lineno
    assert not {m: line for m, line in found.items() if m not in CATCHES_ALL}
    assert not CATCHES_ALL.keys() - found.keys(), "exceptions no longer needed"


@pytest.mark.parametrize("table", [PURE, IMPURE_INSIDE, set(LONGER), set(TESTED_ELSEWHERE)])
def test_tables_name_modules_that_exist(table: set[str]) -> None:
    """A table entry for a module that is gone would hide the next one of that name."""
    known = modules()
    assert not [m for m in table if m not in known and not (SOURCE / m.replace(".", "/")).is_dir()]


def test_command_lines_are_read_in_one_place() -> None:
    """Nothing else looks for flags, or for the `--` behind which there are none."""
    argv = {m for m, n in _attributes() if n in ("argv", "orig_argv")}
    assert argv == READ_ARGV.keys()
    looking = {module for module, nodes in source().nodes.items() if any(map(_looks_for_dashes, nodes))}
    assert looking == LOOK_FOR_DASHES.keys()


def _attributes() -> Iterator[tuple[str, str]]:
    for module, nodes in source().nodes.items():
        yield from ((module, node.attr) for node in nodes if isinstance(node, ast.Attribute))


def _looks_for_dashes(node: ast.AST) -> bool:
    """`"--x" in words`, `words.index("--")`, `word.startswith("-")`."""
    match node:
        case ast.Compare(left=ast.Constant(value=str() as text), ops=[ast.In() | ast.NotIn()]):
            return text.startswith("--")
        case ast.Call(
            func=ast.Attribute(attr="index" | "startswith"), args=[ast.Constant(value=str() as text)]
        ):
            return text in ("-", "--") or text.startswith("--")
    return False


def test_stores_are_chosen_in_one_place() -> None:
    """Everything else works as well where a store is on another machine."""
    choosing = {
        module
        for module, found in source().imports.items()
        if any(name.startswith("stores.memory") for name in found)
    }
    assert {module for module in choosing if not within(module, {"stores"})} == CHOOSE_STORES


def test_layers_name_what_exists() -> None:
    """A room that is not built yet, or is gone, is no layer; nothing stands in two."""
    units = [unit for layer_units in LAYERS for unit in layer_units]
    assert not [unit for unit in units if unit not in modules()]
    assert len(units) == len(set(units))


def test_no_modules_import_each_other() -> None:
    """Directly, by others, in functions or for types only: whoever reads one must read them all."""
    assert [found for found in circles(source()) if found not in CIRCLES] == []
    assert not [circle for circle in CIRCLES if circle not in circles(source())], (
        "exceptions no longer needed"
    )


def test_docstrings_name_modules_that_exist() -> None:
    assert names_of_nothing(source(), NO_MODULES) == []


def test_docstrings_name_those_who_call() -> None:
    """ "Called by", "made by" and "used by" name modules that import this one."""
    assert callers_that_do_not_call(source()) == []


def test_docstrings_name_those_who_are_handed_something() -> None:
    """ "Given to" and "handed to" name modules that somebody who knows this one can hand it to."""
    assert holders_that_are_handed_nothing(source()) == []


def test_nothing_public_is_there_for_tests_only() -> None:
    """What only its own test calls is dead, however well tested."""
    assert used_by_tests_only(source(), CALLED_FROM_OUTSIDE) == []
    defined = {f"{module}.{name}" for module, names in source().defined.items() for name in names}
    assert not CALLED_FROM_OUTSIDE.keys() - defined, "exceptions no longer needed"


def test_docstrings_of_booleans_say_whether() -> None:
    """A function that gives one, and the attributes and arguments that are one: "Whether ..."."""
    found = booleans_without_whether(source())
    assert len(found) <= MOST_UNSAID, "\n".join(found)


def test_log_lines_have_one_form() -> None:
    """They go on behind `[callmux]` or a time: a small letter first, no full stop last, and the level is not
    said again. What did not work is `could not X "name": reason`."""
    wrong = [
        f"{module}:{line} {text}"
        for module, line, text in log_texts(source())
        if (re.match(r"[A-Z][a-z]", text) and not text.startswith(AS_IN_THE_ORIGINAL))
        or text.endswith(".")
        or re.match(r"(?i)(warning|error|failed|cannot|unable)\b", text)
        or "Warning:" in text
    ]
    assert not wrong, "\n".join(wrong)


def test_a_class_name_means_one_thing() -> None:
    """Or the reason stands in `SAME_NAME`: a reader who looks one up must know of the others."""
    found = {name: set(places) for name, places in classes_in_two_places(source()).items()}
    assert found == {name: set(places) for name, (places, _) in SAME_NAME.items()}
