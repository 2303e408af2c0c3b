"""The shared listener as a background service of systemd or launchd.

`plan` and `units` decide what would be written and run, `apply` does it. Used by `callmux.cli.daemon`.
"""
