"""`callmux doctor [--json]`: checks the configuration and asks every server.

Called by `callmux.cli.main`; the checks are in `callmux.doctor.checks`.
"""

from __future__ import annotations

import asyncio
import os
from pathlib import Path
from typing import TYPE_CHECKING

from callmux.cli.console import print_json, print_lines, read_switches
from callmux.config.load import find_config, load_config, target_config
from callmux.doctor.report import Report, failure, text_lines
from callmux.errors import ConfigError, ConfigMissing, UsageError

if TYPE_CHECKING:
    from callmux.doctor.checks import Probe


def run(args: list[str], config_option: str | None, probe: Probe | None = None) -> int:
    """Gives the exit code: 1 where there is any issue.

    Args:
        probe: Asks a server, in place of the real thing.
    """
    if "--url" in args:
        raise UsageError('"callmux doctor --url" is not available yet in this version: run "callmux doctor"')
    as_json = "--json" in read_switches(args, ["--json"], "callmux doctor [--json] [--config PATH]")
    report = _examine(config_option, probe)
    if as_json:
        print_json(report)
    else:
        print_lines(text_lines(report))
    return 0 if report.ok else 1


def _examine(config_option: str | None, probe: Probe | None) -> Report:
    path = target_config(config_option, os.environ, Path.home())
    try:
        find_config(config_option, os.environ, Path.home())
        loaded = load_config(path, os.environ)
    except ConfigMissing as error:
        return failure(str(path), "missing", [error.message])
    except ConfigError as error:
        return failure(str(path), "invalid", error.problems)
    from callmux.doctor.checks import examine

    if probe is None:
        from callmux.upstream.probe import probe as real_probe

        probe = real_probe
    return asyncio.run(examine(loaded, probe, os.environ))
