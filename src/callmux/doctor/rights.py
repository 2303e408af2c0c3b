"""Whether what rules and profiles name can be there at all. Pure.

Called by `callmux.doctor.checks`: a rule that fits nobody, or nothing, looks as if it did something.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from callmux import names
from callmux.config.model import Config
from callmux.config.security import Rule

PRINCIPALS = ("bearer:", "oidc_jwt:", "stdio:", "id:", "kind:", "subject:", "scope:", "group:")
"""How the names of principals begin."""


def idle_rules(config: Config) -> list[str]:
    """A warning for each pattern that can fit nothing."""
    found: list[str] = []
    if config.authorization is not None:
        found += _of_rules(config, config.authorization.rules, "authorization")
    for name, profile in config.profiles.items():
        found += _of_rules(config, profile.rules, f"profiles.{name}")
        found += _of_principals(profile.principals or (), f"profiles.{name}.principals")
        found += _of_tools(config, profile.tools or (), f"profiles.{name}.tools")
        for n, glob in enumerate(profile.servers or ()):
            pattern = names.pattern([glob])
            if pattern is None or not any(map(pattern.fullmatch, config.servers)):
                found.append(f'profiles.{name}.servers[{n}]: there is no server "{glob}"')
    return found


def _of_rules(config: Config, rules: Sequence[Rule], where: str) -> Iterator[str]:
    for n, rule in enumerate(rules):
        yield from _of_principals(rule.principals or (), f"{where}.rules[{n}].principals")
        yield from _of_tools(config, rule.tools or (), f"{where}.rules[{n}].tools")


def _of_principals(given: Sequence[str], where: str) -> Iterator[str]:
    for n, glob in enumerate(given):
        head = glob.partition("*")[0]
        star = head != glob
        if not any(head.startswith(start) or (star and start.startswith(head)) for start in PRINCIPALS):
            known = ", ".join(PRINCIPALS)
            yield f'{where}[{n}]: "{glob}" fits nobody: names of principals begin with {known}'


def _of_tools(config: Config, given: Sequence[str], where: str) -> Iterator[str]:
    prefixes = {*config.servers, *(server.prefix for server in config.servers.values() if server.prefix)}
    for n, glob in enumerate(given):
        server, separator, _ = glob.partition(names.SEPARATOR)
        if not separator or "*" in server or glob.startswith("callmux_"):
            continue
        if not any(prefix in prefixes for prefix in names.possible_prefixes(glob)):
            yield f'{where}[{n}]: "{glob}" fits nothing: there is no server "{server}"'
