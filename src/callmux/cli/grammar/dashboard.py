"""`callmux dashboard`. Pure."""

from __future__ import annotations

from callmux.cli.grammar.terms import Command, Example, Option

COMMANDS = (
    Command(
        "dashboard",
        "print an address that signs one browser in to the dashboard of a running listener",
        options=(
            Option("--open", "open it in the browser of this machine, too"),
            Option("--url", "where the browser finds the listener, if not on this machine", "URL"),
            Option("--json", "print what was found as JSON"),
        ),
        examples=(
            Example("callmux dashboard", "the address, good once and for two minutes"),
            Example("callmux dashboard --open", "and a browser that opens it"),
            Example("callmux dashboard --url https://tools.example", "the same behind a proxy"),
        ),
        notes=(
            "The command reaches every listener that runs as the same user with a configuration file, with"
            " --config only those with that file. Whoever opens the address may do what the user of this"
            " machine may: see everything, call tools as the rules allow, change servers where management"
            " is on. Run in a terminal, the address also lets its browser answer for calls that wait for"
            " approval.",
            "Exit code 1 if no such listener has a dashboard.",
        ),
    ),
)
