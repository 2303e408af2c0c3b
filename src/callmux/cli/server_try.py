"""`callmux server test`: tries servers and says what they expose.

Called by `callmux.cli.server`; the trials are in `callmux.doctor.trial`.
"""

from __future__ import annotations

import asyncio
import os
from functools import partial
from pathlib import Path

from callmux.cli.console import print_json
from callmux.cli.parsing import Given, nearest, refusal
from callmux.cli.sign_in_offer import at_terminal, signed_in_to
from callmux.cli.terminal import show_report
from callmux.cli.waiting import watching
from callmux.config.load import find_config, load_config, target_config
from callmux.doctor.checks import Probe
from callmux.doctor.trial import Trial, summary, summary_lines, trial_lines, try_servers
from callmux.errors import UsageError


def run(given: Given, config_option: str | None, probe: Probe | None = None) -> int:
    """Gives the exit code: 1 where a server fails.

    Args:
        given: The command line.
        probe: Asks a server, in place of the real thing.
    """
    name, everything = given.word(0), given.on("--all")
    if everything == (name is not None):
        raise refusal(given.command, "name one server, or give --all")
    find_config(config_option, os.environ, Path.home())
    loaded = load_config(target_config(config_option, os.environ, Path.home()), os.environ)
    servers = loaded.config.servers
    if name is not None and name not in servers:
        raise UsageError(f'Server "{name}" not found in {loaded.path}{nearest(name, list(servers))}')
    names = list(servers) if name is None else [name]
    if probe is None:
        from callmux.process.signed_probe import probe as real_probe

        probe = partial(real_probe, kept=loaded.config.keep_listings)
    as_json = given.on("--json")
    ask = probe

    def tried(chosen: list[str]) -> list[Trial]:
        with watching(len(chosen), quiet=as_json) as progress:
            return asyncio.run(
                try_servers(
                    loaded,
                    chosen,
                    ask,
                    os.environ,
                    tool=given.text("--tool"),
                    named=name is not None,
                    progress=progress,
                )
            )

    trials = tried(names)
    wanting = {trial.name: servers[trial.name] for trial in trials if trial.sign_in_needed is True}
    if wanting and not as_json and at_terminal():
        again = {trial.name: trial for trial in tried(signed_in_to(wanting, loaded.base_dir))}
        trials = [again.get(trial.name, trial) for trial in trials]
    whole = summary(trials)
    if as_json:
        print_json(whole if everything else trials[0])
    else:
        result = "ok" if whole.ok else "issues found"
        single = [*trial_lines(trials[0]), "", f"Result: {result}"]
        show_report(summary_lines(whole) if everything else single)
    return 0 if whole.ok else 1
