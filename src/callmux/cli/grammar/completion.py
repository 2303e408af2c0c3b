"""`callmux completion`. Pure."""

from __future__ import annotations

from callmux.cli.grammar.terms import Argument, Command, Example

COMMANDS = (
    Command(
        "completion",
        "print a script that lets a shell complete callmux's commands and flags",
        arguments=(Argument("SHELL", "which shell", choices=("bash", "zsh", "fish")),),
        examples=(
            Example(
                "callmux completion bash > ~/.local/share/bash-completion/completions/callmux",
                "for bash, from the next shell on",
            ),
            Example("callmux completion zsh > ~/.zfunc/_callmux", "for zsh, where ~/.zfunc is in fpath"),
            Example(
                "callmux completion fish > ~/.config/fish/completions/callmux.fish",
                "for fish, from the next shell on",
            ),
        ),
    ),
)
