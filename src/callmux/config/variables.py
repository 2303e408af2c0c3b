"""Fills in `${VAR}`, `${VAR:-default}` and `${file:PATH}` in server entries. Pure.

`expand_server` is called by `callmux.config.load` with the environment and a reader of files. It fills in
`command`, `args`, `cwd`, the values of `env`, `envFile`, `url` and the values of `headers`; a `~` at the
front of `command`, `cwd` or `envFile` is the home directory. The first two are as files for MCP clients use
them (`${env:VAR}` is the same); the third keeps a secret out of the configuration wherever it is needed. What
has no value is the problem of that server alone. Values with references (`callmux.config.references`) are
noted and stay as they are written. `note_references` is called by `callmux.cli.inline`, `expand_text` by
`callmux.secrets.single`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Container, Mapping

import msgspec

from callmux.config.references import Template, literal, template_of
from callmux.config.servers import HttpServer, StdioServer
from callmux.errors import SecretError
from callmux.patterns import late
from callmux.text import NotText, check_variable

_VARIABLE = late(
    r"(\$?)\$\{(?:file:(?P<file>[^}]+)|(?:env:)?(?P<name>[A-Za-z_][A-Za-z0-9_]*)(?::-(?P<default>[^}]*))?)\}"
)
_SHELL = late(r"(?:^|[/\\])(?:sh|bash|dash|zsh|ksh|ash|busybox)(?:\.exe)?$")


def expand_server(
    server: StdioServer | HttpServer,
    path: str,
    env: Mapping[str, str],
    read_file: Callable[[str], str] | None = None,
) -> StdioServer | HttpServer:
    """The server with its variables filled in, or as it was, with `problem` set.

    Args:
        server: The entry as written.
        path: Where it stands, such as `mcpServers.github`.
        env: The variables there are.
        read_file: Gives the value that a file holds, by the path as written, or raises SecretError; without
            it `${file:...}` has no value.
    """
    filler = _Filler(env, read_file)
    templates: dict[str, Template] = {}
    changed: StdioServer | HttpServer
    if isinstance(server, StdioServer):
        key, target = "command", filler.fill_path(server.command, f"{path}.command")
        changed = msgspec.structs.replace(
            server,
            command=target,
            args=_arguments(server, path, filler, templates),
            cwd=None if server.cwd is None else filler.fill_path(server.cwd, f"{path}.cwd"),
            env=filler.fill_all(server.env, path, "env", templates),
            env_file=None
            if server.env_file is None
            else filler.fill_path(server.env_file, f"{path}.envFile"),
        )
    else:
        key, target = "url", filler.fill_value(server.url, path, "url", templates)
        headers = filler.fill_all(server.headers, path, "headers", templates)
        changed = msgspec.structs.replace(server, url=target, headers=headers)
    if not filler.problems and target != getattr(server, key) and not target.strip():
        filler.problems.append(f"{path}.{key} is empty once its variables are filled in")
    filled = tuple(dict.fromkeys(filler.filled))
    if filler.problems:
        return msgspec.structs.replace(server, problem="; ".join(filler.problems), filled=filled)
    return msgspec.structs.replace(changed, filled=filled, templates=templates)


def expand_text(
    text: str, path: str, env: Mapping[str, str], read_file: Callable[[str], str]
) -> tuple[Template, list[str]]:
    """A single value with its variables filled in: its parts, of which some may be references, and what is
    wrong with it.

    Args:
        path: Where it stands in the file.
        env: The variables there are.
        read_file: As for `expand_server`.
    """
    filler = _Filler(env, read_file)
    key, _, place = path.rpartition(".")
    templates: dict[str, Template] = {}
    filled = filler.fill_value(text, key, place, templates)
    return templates.get(place, (filled,)), filler.problems


def note_references(server: StdioServer | HttpServer, variables: Container[str]) -> StdioServer | HttpServer:
    """A server of a command line with its references noted. The shell has filled in variables already, and
    the words of a command mean themselves.

    Args:
        variables: The names of the variables that there are.
    """
    key, values = ("env", server.env) if isinstance(server, StdioServer) else ("headers", server.headers)
    found = {f"{key}.{name}": template_of(text, variables) for name, text in values.items()}
    templates = {place: template for place, template in found.items() if template is not None}
    plain = {name: literal(text) for name, text in values.items()}
    return msgspec.structs.replace(server, **{key: plain}, templates=templates)


def _arguments(
    server: StdioServer, path: str, filler: _Filler, templates: dict[str, Template]
) -> tuple[str, ...]:
    """The arguments, but for a shell's script: the shell knows `${VAR}` itself and quotes it rightly."""
    script = None
    if _SHELL().search(server.command):
        script = next((n + 1 for n, word in enumerate(server.args) if re.fullmatch(r"-[a-z]*c", word)), None)
    return tuple(
        word if n == script else filler.fill_value(word, path, f"args[{n}]", templates)
        for n, word in enumerate(server.args)
    )


class _Filler:
    """Replaces variables and collects those that are not there."""

    def __init__(self, env: Mapping[str, str], read_file: Callable[[str], str] | None) -> None:
        self._env = env
        self._read_file = read_file
        self.problems: list[str] = []
        self.filled: list[str] = []

    def fill_all(
        self, texts: Mapping[str, str], path: str, key: str, templates: dict[str, Template]
    ) -> dict[str, str]:
        return {name: self.fill_value(text, path, f"{key}.{name}", templates) for name, text in texts.items()}

    def fill_value(self, text: str, path: str, place: str, templates: dict[str, Template]) -> str:
        """The value, filled in; one with references stays as it is, and is noted with its place."""
        if ":" not in text:
            return self.fill(text, f"{path}.{place}")
        template = template_of(text, self._env, lambda part: self.fill(part, f"{path}.{place}"))
        if template is None:
            return self.fill(literal(text), f"{path}.{place}")
        templates[place] = template
        return text

    def fill_path(self, text: str, path: str) -> str:
        """The same for a path, which may begin with `~` or `~/`."""
        home = self._env.get("HOME")
        if home and (text == "~" or text.startswith("~/")):
            text = "${HOME}" + text[1:]
        return self.fill(text, path)

    def _value(self, name: str, path: str) -> str | None:
        found = self._env.get(name)
        try:
            return None if found is None else check_variable(found, name)
        except NotText as error:
            self.problems.append(f"{path}: {error.message}")
            return found

    def fill(self, text: str, path: str) -> str:
        if "${" not in text:
            return text

        def value(match: re.Match[str]) -> str:
            if match[1]:
                return match[0][1:]
            self.filled.append(filled := look_up(match))
            return filled

        def look_up(match: re.Match[str]) -> str:
            name, default = match["name"], match["default"]
            if name is None:
                return self._of_file(match["file"].strip(), path)
            # As in a shell, ":-" also stands in for a variable that is set and empty.
            found = self._value(name, path)
            if default is not None:
                return found or default
            if found is None:
                self.problems.append(
                    f"{path} uses ${{{name}}}, but the environment variable {name} is not set"
                    f" (set it, write ${{{name}:-default}}, or $${{{name}}} for the text itself)"
                )
                return ""
            return found

        return _VARIABLE().sub(value, text)

    def _of_file(self, file: str, path: str) -> str:
        try:
            if self._read_file is None:
                raise SecretError("files are not read here")
            return self._read_file(file)
        except SecretError as error:
            self.problems.append(f"{path} {error.message}")
            return ""
