"""The source as data, and what can be found wrong in it: circles, names of nothing, dead definitions.

Used by `tests/test_architecture.py` on the project, by `tests/test_architecture_checks.py` on small bad
samples and by `scripts/figures`. Each check gives its findings as lines of text; none imports what it reads.
"""

from __future__ import annotations

import ast
import gc
import re
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from functools import cached_property
from pathlib import Path

PACKAGE = "callmux"
QUOTED = re.compile(r"`([^`\n]+)`")
MODULE_NAME = re.compile(r"\.?[a-z_]\w*(\.\w+)*")
FILE_ENDINGS = {"cfg", "js", "json", "jsonc", "md", "py", "sh", "toml", "txt", "yaml", "yml"}

Definition = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef


class Source:
    """The modules of a package, read from any place: a folder, or one revision.

    Args:
        files: Path below the package's folder -> text.
    """

    def __init__(self, files: Mapping[str, str]) -> None:
        self.texts = {module_of(path): files[path] for path in sorted(files)}
        collecting = gc.isenabled()
        # A tree is no garbage: to look at millions of nodes again and again takes most of the time.
        gc.disable()
        try:
            self.trees = {module: ast.parse(text, module) for module, text in self.texts.items()}
        finally:
            if collecting:
                gc.enable()
        self.packages = {module_of(path) for path in files if path.endswith("/__init__.py")}

    @classmethod
    def of_folder(cls, folder: Path) -> Source:
        return cls({str(p.relative_to(folder)): p.read_text("utf-8") for p in folder.rglob("*.py")})

    @cached_property
    def nodes(self) -> dict[str, list[ast.AST]]:
        """Module -> everything in its tree, walked once for all checks."""
        return {module: list(ast.walk(tree)) for module, tree in self.trees.items()}

    def package_of(self, module: str) -> str:
        """The package whose neighbours `module` may name in short."""
        return module if module in self.packages else module.rpartition(".")[0]

    @cached_property
    def imports(self) -> dict[str, set[str]]:
        """Module -> the modules of the package it imports, in functions and for types only, too."""
        return {module: set(self._imported(nodes)) - {module} for module, nodes in self.nodes.items()}

    def _imported(self, nodes: list[ast.AST]) -> Iterator[str]:
        for node in nodes:
            if isinstance(node, ast.Import):
                yield from (alias.name[len(PACKAGE) + 1 :] for alias in node.names if _is_ours(alias.name))
            elif isinstance(node, ast.ImportFrom) and (node.module == PACKAGE or _is_ours(node.module or "")):
                base = (node.module or "")[len(PACKAGE) + 1 :]
                for alias in node.names:
                    name = f"{base}.{alias.name}".lstrip(".")
                    yield name if name in self.trees else base or "__init__"

    @cached_property
    def words(self) -> dict[str, set[str]]:
        """Module -> the texts in it that may be names."""
        return {module: set(_words(nodes)) for module, nodes in self.nodes.items()}

    @cached_property
    def by_name(self) -> dict[str, set[str]]:
        """Module -> what it can import by a name made at run time of words in it and in what it imports."""
        found = {}
        for module, nodes in self.nodes.items():
            if not any(_called(node) in ("import_module", "find_spec") for node in nodes):
                continue
            places = [module, *self.imports[module]]
            words = {word for place in places for word in self.words.get(place, ())}
            beginnings = {word.removeprefix(f"{PACKAGE}.").rstrip(".") for word in words if _is_ours(word)}
            found[module] = {
                name
                for name in self.trees
                for package, _, last in [name.rpartition(".")]
                if name in beginnings or (package in beginnings and last in words)
            }
        return found

    @cached_property
    def defined(self) -> dict[str, dict[str, ast.stmt]]:
        """Module -> what it defines at its outermost level."""
        return {module: dict(_definitions(tree.body)) for module, tree in self.trees.items()}

    def docstrings(self) -> Iterator[tuple[str, int, str]]:
        """Module, line and text of every docstring, those under constants too."""
        for module, nodes in self.nodes.items():
            for node in nodes:
                match node:
                    case ast.Expr(value=ast.Constant(value=str() as text)):
                        yield module, node.lineno, text

    def resolve(self, module: str, name: str, before: str = "") -> str | None:
        """The module or package that a docstring of `module` means by `name`; None for what is none of ours.

        Args:
            before: What was named before it: `.pipeline` stands beside that.

        Raises:
            LookupError: `name` looks like one of ours, and there is none.
        """
        if not MODULE_NAME.fullmatch(name) or name.rpartition(".")[2] in FILE_ENDINGS:
            return None
        beside = self.package_of(module)
        if name.startswith("."):
            if not before:
                return None
            places = [f"{before.rpartition('.')[0]}{name}".lstrip(".")]
        elif name == PACKAGE or name.startswith(f"{PACKAGE}."):
            places = [name[len(PACKAGE) + 1 :] or "__init__"]
        else:
            places = [f"{beside}.{name}".lstrip("."), name]
            first = [place[: len(place) - len(name)] + name.split(".")[0] for place in places]
            if "." not in name or not any(place in self.trees for place in first):
                return next((place for place in places if place in self.trees), None)
        for place in places:
            found = self._longest(place)
            if found is not None:
                return found
        raise LookupError(name)

    def _longest(self, place: str) -> str | None:
        """The module that `place` is, or in which it is defined."""
        parts = place.split(".")
        for count in range(len(parts), 0, -1):
            module = ".".join(parts[:count])
            if module in self.trees:
                rest = parts[count:]
                return module if not rest or rest[0] in self.defined[module] else None
        return None


def circles(source: Source) -> list[list[str]]:
    """Modules that import each other, directly or by others; imports for types only count as well."""
    order: list[str] = []
    seen: set[str] = set()
    backwards = defaultdict(set)
    for module, targets in source.imports.items():
        for target in targets:
            backwards[target].add(module)

    def walk(start: str, ways: Callable[[str], set[str]], done: list[str]) -> None:
        seen.add(start)
        waiting = [(start, iter(sorted(ways(start))))]
        while waiting:
            module, targets = waiting[-1]
            target = next((t for t in targets if t not in seen and t in source.trees), None)
            if target is None:
                done.append(module)
                waiting.pop()
            else:
                seen.add(target)
                waiting.append((target, iter(sorted(ways(target)))))

    for module in source.trees:
        if module not in seen:
            walk(module, lambda m: source.imports[m], order)
    seen.clear()
    found = []
    for module in reversed(order):
        if module not in seen:
            together: list[str] = []
            walk(module, lambda m: backwards[m], together)
            if len(together) > 1:
                found.append(sorted(together))
    return sorted(found)


def names_of_nothing(source: Source, words: Mapping[str, str]) -> list[str]:
    """Modules that a docstring names between backquotes and that do not exist.

    `callmux.x.y` must be a module, a package or what one defines; so must `x.y` where `x` is a package or
    stands beside the module, and `.y` behind another name.

    Args:
        words: What only looks like one of ours -> what it is.
    """
    wrong = []
    for module, line, text in source.docstrings():
        before = ""
        for name in QUOTED.findall(text):
            if name in words:
                continue
            try:
                before = source.resolve(module, name, before) or before
            except LookupError:
                wrong.append(f"{module}:{line} names `{name}`")
    return wrong


_CALLERS = re.compile(r"(?i)\b(?:called|made|used) by\b(.*?)(?:[.;:](?=\s|$)|$)", re.DOTALL)
_HOLDERS = re.compile(r"(?i)\b(?:given|handed) to\b(.*?)(?:[.;:](?=\s|$)|$)", re.DOTALL)
_ONE_MORE = re.compile(r",?\s+(?:and|or)\s+by\s|,\s+by\s")
_NO_CALLER = re.compile(
    r"\s(?:with|through|for|where|when|before|after|as|which|who|whose|that|on|in|at|to|so|unless|beside)\s"
)


def named_after(source: Source, module: str, text: str, word: re.Pattern[str]) -> Iterator[str]:
    """The modules named right behind `word`: "Called by `a`, which ..., and by `b`" gives both."""
    before = ""
    for clause in word.findall(text):
        for part in _ONE_MORE.split(f" {clause}"):
            for name in QUOTED.findall(_NO_CALLER.split(f"{part} ")[0]):
                try:
                    found = source.resolve(module, name, before)
                except LookupError:
                    continue
                if found is not None:
                    before = found
                    yield found


def callers_that_do_not_call(source: Source) -> list[str]:
    """ "Called by X", "Made by X" and "Used by X" in a module's docstring, where X does not import it.

    An import by a name made at run time counts. A package is meant with all that is in it.
    """
    wrong = []
    for module, line, text in _about_modules(source):
        for caller in named_after(source, module, text, _CALLERS):
            if not any(
                inside in source.imports[place] | source.by_name.get(place, set())
                for place in _inside(source, caller)
                for inside in _inside(source, module)
                if place != inside
            ):
                wrong.append(f'{module}:{line} says "by {caller}", which does not import it')
    return wrong


def holders_that_are_handed_nothing(source: Source) -> list[str]:
    """ "Given to X" and "Handed to X" in a module's docstring, where nobody can have handed it.

    What is checked: one module imports both of them (it makes the one and gives it to the other), or the
    holder imports the module itself. Whether the value arrives is for the types to say.
    """
    wrong = []
    for module, line, text in _about_modules(source):
        for holder in named_after(source, module, text, _HOLDERS):
            own, others = set(_inside(source, module)), set(_inside(source, holder))
            if not any(
                own & (targets | {place}) and others & (targets | {place})
                for place, targets in source.imports.items()
            ):
                wrong.append(f"{module}:{line} says that {holder} is handed it; nobody imports both")
    return wrong


def _about_modules(source: Source) -> Iterator[tuple[str, int, str]]:
    return ((module, line, text) for module, line, text in source.docstrings() if line == 1)


def _inside(source: Source, module: str) -> list[str]:
    if module not in source.packages:
        return [module]
    return [name for name in source.trees if name == module or name.startswith(f"{module}.")]


def used_by_tests_only(source: Source, outside: Mapping[str, str]) -> list[str]:
    """Public definitions that nothing in the package uses outside themselves.

    Of modules: functions, classes and constants that neither their module reads nor another imports from it.
    Of classes: methods and properties whose name nobody reads from anything. A name that stands as a text
    counts as read: `getattr`.

    Args:
        outside: `module.name` or, for its methods, `module.Class` -> who calls that beside the package.
    """
    reads: dict[str, list[tuple[str, int]]] = defaultdict(list)
    taken: set[tuple[str, str]] = set()
    for module, nodes in source.nodes.items():
        for node in nodes:
            if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load):
                reads[node.id].append((module, node.lineno))
            elif isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Load):
                reads[f".{node.attr}"].append((module, node.lineno))
            elif isinstance(node, ast.ImportFrom):
                base = (node.module or "").removeprefix(PACKAGE).lstrip(".") or "__init__"
                taken |= {(base, alias.name) for alias in node.names}
    texts = set().union(*source.words.values())
    wrong = []
    for module, defined in source.defined.items():
        for name, node in defined.items():
            if name.startswith("_") or name in texts or f"{module}.{name}" in outside:
                continue
            read = (module, name) in taken or any(
                place == module and not _within(line, node) for place, line in reads[name]
            )
            read = read or any(
                module in source.imports[place] | source.by_name.get(place, set())
                for place, _ in reads[f".{name}"]
            )
            if not read:
                wrong.append(f"{module}:{node.lineno} {name}")
        for kind in defined.values():
            if not isinstance(kind, ast.ClassDef) or f"{module}.{kind.name}" in outside:
                continue
            for name, node in _definitions(kind.body):
                if name.startswith("_") or name in texts or not isinstance(node, Definition):
                    continue
                if not any(place != module or not _within(line, node) for place, line in reads[f".{name}"]):
                    wrong.append(f"{module}:{node.lineno} {kind.name}.{name}")
    return wrong


def classes_in_two_places(source: Source) -> dict[str, list[str]]:
    """Public class name -> the modules that define one, where that is more than one."""
    places = defaultdict(list)
    for module, defined in source.defined.items():
        for name, node in defined.items():
            if isinstance(node, ast.ClassDef) and not name.startswith("_"):
                places[name].append(module)
    return {name: modules for name, modules in sorted(places.items()) if len(modules) > 1}


def booleans_without_whether(source: Source) -> list[str]:
    """What is true or false and is described by a docstring that does not say whether.

    Of functions the docstring says "whether" somewhere: those that do something give it besides. What stands
    under `Args` and `Attributes` begins with it.
    """
    wrong = []
    for module, nodes in source.nodes.items():
        for node in nodes:
            if not isinstance(node, Definition) or (text := ast.get_docstring(node)) is None:
                continue
            if isinstance(node, ast.ClassDef):
                makers = [f for f in node.body if isinstance(f, ast.FunctionDef) and f.name == "__init__"]
                arguments = [a for f in makers for a in _arguments(f)]
                fields = [f for f in node.body if isinstance(f, ast.AnnAssign) and _is_bool(f.annotation)]
                names = {f.target.id for f in fields if isinstance(f.target, ast.Name)} | set(arguments)
            else:
                names = set(_arguments(node))
                if _is_bool(node.returns) and "whether" not in text.lower():
                    wrong.append(f"{module}:{node.lineno} {node.name}")
            said = re.findall(r"(?m)^ +(\w+): (\w+)", text)
            wrong += [
                f"{module}:{node.lineno} {name}" for name, w in said if name in names and w != "Whether"
            ]
    return wrong


def _arguments(function: ast.FunctionDef | ast.AsyncFunctionDef) -> list[str]:
    """Those that are true or false."""
    given = function.args
    return [a.arg for a in (*given.args, *given.kwonlyargs) if _is_bool(a.annotation)]


def _is_bool(annotation: ast.expr | None) -> bool:
    return isinstance(annotation, ast.Name) and annotation.id == "bool"


def log_texts(source: Source) -> Iterator[tuple[str, int, str]]:
    """Module, line and text of each call of a logger that has its text there."""
    for module, nodes in source.nodes.items():
        for node in nodes:
            match node:
                case ast.Call(
                    func=ast.Attribute(
                        value=ast.Name(id="log"), attr="debug" | "info" | "warning" | "error" | "critical"
                    ),
                    args=[ast.Constant(value=str() as text), *_],
                ):
                    yield module, node.lineno, text


def module_of(path: str) -> str:
    """The name of the module in a file of the package; the package itself is `__init__`."""
    return path.removesuffix(".py").replace("/", ".").removesuffix(".__init__")


def _is_ours(name: str) -> bool:
    return name.startswith(f"{PACKAGE}.")


def _called(node: ast.AST) -> str | None:
    if not isinstance(node, ast.Call):
        return None
    return getattr(node.func, "attr", None) or getattr(node.func, "id", None)


def _words(nodes: list[ast.AST]) -> Iterator[str]:
    """Texts that may be names, docstrings left out."""
    for node in nodes:
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and " " not in node.value:
            yield node.value


def _definitions(body: list[ast.stmt]) -> Iterator[tuple[str, ast.stmt]]:
    for node in body:
        if isinstance(node, Definition):
            yield node.name, node
        elif isinstance(node, ast.Assign):
            yield from ((t.id, node) for t in node.targets if isinstance(t, ast.Name))
        elif isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
            yield node.target.id, node
        elif isinstance(node, ast.If | ast.Try):
            yield from _definitions([*node.body, *node.orelse])
            for handler in getattr(node, "handlers", ()):
                yield from _definitions(handler.body)


def _within(line: int, node: ast.stmt) -> bool:
    decorators: list[ast.expr] = getattr(node, "decorator_list", [])
    first = min([node.lineno, *(d.lineno for d in decorators)])
    return first <= line <= (node.end_lineno or node.lineno)
