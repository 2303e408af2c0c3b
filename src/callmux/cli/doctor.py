"""`callmux doctor`: checks the configuration, its servers and the clients; with `--url`, a running listener.
With `--client`, what reaches a client's model (`callmux.cli.doctor_client`).

Called by `callmux.cli.main`; the checks are in `callmux.doctor`.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from callmux.cli.console import print_json
from callmux.cli.grammar.doctor import COMMANDS
from callmux.cli.parsing import Given, read, refusal
from callmux.cli.terminal import show_report
from callmux.config.load import find_config, load_config, target_config
from callmux.doctor.report import Report, failure, text_lines, with_byte_code, with_clients, with_state
from callmux.errors import ConfigError, ConfigMissing

if TYPE_CHECKING:
    from callmux.bridge.endpoint import Endpoint
    from callmux.config.load import LoadedConfig
    from callmux.doctor.checks import Probe
    from callmux.doctor.directories import Try
    from callmux.doctor.listener import Exchange

_LISTENER_ONLY = ("--cwd", "--header", "--token", "--token-file")


def run(args: list[str], config_option: str | None, probe: Probe | None = None) -> int:
    """Gives the exit code: 1 where there is any issue.

    Args:
        probe: Asks a server, in place of the real thing.
    """
    given = read(COMMANDS[0], args)
    if given.text("--url") is not None:
        if given.on("--client"):
            raise refusal(given.command, "--client and --url exclude each other")
        return _listener(given)
    for flag in _LISTENER_ONLY:
        if given.on(flag):
            raise refusal(given.command, f"{flag} needs --url")
    if given.on("--client"):
        from callmux.cli.doctor_client import run as show_client

        return show_client(given, config_option)
    from callmux.cli.own_entry import this_machine
    from callmux.doctor.byte_code import byte_code
    from callmux.doctor.clients import examine_clients
    from callmux.kept_code import KeptCode

    examined = _examine(config_option, probe, quiet=given.on("--json"))
    report = with_clients(examined, examine_clients(this_machine()))
    found = byte_code(KeptCode(os.environ))
    report = with_byte_code(report, found.kept, found.warnings)
    if given.on("--json"):
        print_json(report)
    else:
        show_report(text_lines(report))
    return 0 if report.ok else 1


def _examine(config_option: str | None, probe: Probe | None, *, quiet: bool) -> Report:
    path = target_config(config_option, os.environ, Path.home())
    try:
        find_config(config_option, os.environ, Path.home())
        loaded = load_config(path, os.environ)
    except ConfigMissing as error:
        return failure(str(path), "missing", [error.message])
    except ConfigError as error:
        return failure(str(path), "invalid", error.problems)
    return _with_state(_examined(loaded, probe, quiet=quiet), loaded)


def _with_state(report: Report, loaded: LoadedConfig) -> Report:
    """The report, with what the listeners of this configuration share."""
    state = loaded.config.state
    if state is None:
        return report
    from callmux.doctor.state import state_findings

    found = asyncio.run(state_findings(state, loaded.base_dir, os.environ))
    return with_state(report, found.issues, found.warnings, found.lines)


def _examined(loaded: LoadedConfig, probe: Probe | None, *, quiet: bool) -> Report:
    from callmux.cli.waiting import watching
    from callmux.doctor.checks import examine

    attempt: Try | None = None
    if probe is None:
        from callmux.doctor.two_directories import trial_of
        from callmux.process.signed_probe import probe as real_probe

        probe = partial(real_probe, kept=loaded.config.keep_listings)
        attempt = trial_of(loaded)
    servers, ask = loaded.config.servers, probe
    asked = [name for name, server in servers.items() if not server.disabled]

    def examined() -> Report:
        with watching(len(asked), quiet=quiet) as progress:
            return asyncio.run(examine(loaded, ask, os.environ, progress, attempt))

    report = examined()
    wanting = {found.name: servers[found.name] for found in report.servers if found.sign_in_needed is True}
    if wanting and not quiet:
        from callmux.cli.sign_in_offer import at_terminal, signed_in_to

        if at_terminal() and signed_in_to(wanting, loaded.base_dir):
            return examined()
    return report


def _listener(given: Given, wire: Callable[[Endpoint], Exchange] | None = None) -> int:
    from callmux.bridge.credentials import find_token, kept_for
    from callmux.bridge.endpoint import read_endpoint
    from callmux.cli.destination import completed
    from callmux.cli.headers import read_headers
    from callmux.doctor.listener import examine_listener, listener_lines
    from callmux.doctor.wire import Wire

    url = given.text("--url") or ""
    endpoint = read_endpoint(completed(url))
    headers = {**read_headers(given.all("--header")), "x-callmux-client": "cli"}
    shown = "the Authorization of --header was sent"
    if not any(name.lower() == "authorization" for name in headers):
        named = given.text("--token"), given.text("--token-file")
        token = find_token(endpoint, os.environ, Path.home(), *named)
        other = kept_for(Path.home())
        shown = "no token was sent" + (f" (the kept one belongs to {other})" if other else "")
        if token is not None:
            shown = f"the token of {token.source} was sent"
            headers["Authorization"] = f"Bearer {token.value}"
    exchange = (wire or Wire)(endpoint)
    report = examine_listener(url, endpoint, exchange, headers, credentials=shown, cwd=given.text("--cwd"))
    if given.on("--json"):
        print_json(report)
    else:
        show_report(listener_lines(report))
    return 0 if report.ok else 1
