"""Health checks: `checks` finds what is wrong with a configuration and its servers, `report` shows it.

Called by `callmux.cli.doctor`; asks servers through `callmux.upstream.probe`.
"""
