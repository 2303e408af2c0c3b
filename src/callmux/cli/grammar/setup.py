"""`callmux setup`. Pure."""

from __future__ import annotations

from callmux.cli.grammar.shared import DRY_RUN, JSON, YES
from callmux.cli.grammar.terms import Command, Example, Option

COMMANDS = (
    Command(
        "setup",
        "move the MCP servers of your clients behind callmux",
        options=(
            YES.but(help="ask nothing: move your own servers that answer, enter callmux into clients"),
            DRY_RUN.but(help="ask, start and change nothing: show what --yes would write"),
            Option("--undo", "undo the last setup"),
            Option(
                "--move",
                "which servers to move: all, none or names",
                "A,B",
                default="all but those of one project",
            ),
            Option("--add", "a server of the list, with what it works on", "NAME[=PLACE]", repeat=True),
            Option("--server", "a server of your own", "NAME=COMMAND|URL", repeat=True),
            Option("--list", "print the list of servers for --add"),
            Option(
                "--clients",
                "the clients that get callmux: all that are here, none or names",
                "A,B",
                default="all",
            ),
            Option("--listener", "all sessions share the listener at this address, through bridges", "URL"),
            Option("--daemon", "with --listener: run it as a service"),
            Option(
                "--preset",
                "recommended: lean costs agents the least context",
                "NAME",
                choices=("lean", "none"),
                default="as the configuration has it",
            ),
            Option("--cache", "keep results of read-only tools", "SECONDS", minimum=0, default="0: do not"),
            Option(
                "--idle-stop",
                "start servers that are known to keep nothing between calls when they are used, and stop them"
                " after so long without use",
                "SECONDS",
                minimum=1,
                default="never",
            ),
            Option("--meta-only", "list only the callmux_* tools"),
            Option("--fresh", "begin with an empty configuration; the old one is kept"),
            Option(
                "--secrets",
                "keep credentials in files of mode 0600, as names of environment variables, or by name as"
                " callmux secret does",
                "WHERE",
                choices=("file", "env", "keyring"),
                default="file",
            ),
            Option("--no-probe", "do not ask the servers for their tools first"),
            Option("--probe", "with --dry-run: start the servers to ask them for their tools"),
            Option("--probe-timeout", "for each of them", "SECONDS", minimum=1, default="60"),
            Option(
                "--project-file",
                "the commands in this file of the project in this directory may run, and its servers move",
                "PATH",
                repeat=True,
            ),
            Option("--no-project", "leave the files of the project in this directory out"),
            JSON,
        ),
        examples=(
            Example("callmux setup", "a dialogue; nothing is written before you have seen it"),
            Example("callmux setup --dry-run", "what --yes would write"),
            Example("callmux setup --yes --preset lean", "for scripts"),
            Example("callmux setup --yes --move none --add git --add filesystem=/srv", "only new servers"),
            Example("callmux setup --undo", "every file as it was"),
        ),
        notes=(
            "Setup reads the files of Claude Code, Codex, Claude Desktop, Cursor, VS Code, Windsurf and"
            " Gemini CLI, and those of the project in the current directory. Moved servers leave the client's"
            " file: otherwise every tool would be there twice. A server that does not answer stays where"
            " it is, and so does a server with settings that callmux cannot keep: a tool that was"
            " denied stays denied.",
            "A server whose answers depend on the directory gets one process for each directory, all others"
            " one for all. Of well-known servers that is known; any other one is tried in two empty"
            " directories, and without questions it gets one process for all only where nothing speaks"
            " against it.",
            "Setup neither starts nor moves the servers in a project's file before you say yes for"
            " that file, in the dialogue or with --project-file; --yes alone is not enough.",
        ),
    ),
)
