"""What can be typed: every command with its arguments, flags and examples, as plain data.

Parsing (`callmux.cli.parsing`), `--help` and `docs/cli.md` (`callmux.cli.help`, `callmux.cli.manual`) and the
completions (`callmux.cli.completion`) are all made from it. A module here holds the commands of the
`callmux.cli` module of the same name, in a tuple `COMMANDS`, and is imported when that command is chosen, or
when help is asked for.

To add a command `frob`:

1. `callmux/cli/grammar/frob.py` with `COMMANDS = (Command("frob", ...),)`; sub-commands go into
   `Command.subcommands`, named `"frob add"`.
2. Its name in `COMMANDS` of `callmux.cli.commands`, and in `SECTIONS` of `callmux.cli.grammar.table`.
3. `callmux/cli/frob.py` with `run(args, config_option) -> int`, which begins with
   `given = read(COMMANDS[0], args)` of `callmux.cli.parsing`. Then `given.on("--json")`,
   `given.text("--name")`, `given.number("--port")`, `given.all("--header")`, `given.words`, `given.rest`.
4. `callmux help --markdown > docs/cli.md`.

A flag is one `Option` in its command's tuple; a flag that several commands share stands in
`callmux.cli.grammar.shared`. `--help` and `--config` are everybody's: they are not listed again.
"""
