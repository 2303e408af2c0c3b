"""`callmux completion SHELL`: completions for bash, zsh and fish, made from the table of commands.

Called by `callmux.cli.main`. The scripts hold the whole table: completing a word starts no process.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from callmux.cli.grammar.completion import COMMANDS as OWN
from callmux.cli.grammar.table import everything
from callmux.cli.grammar.terms import Command, Option
from callmux.cli.parsing import read

FILES = ("PATH", "FILE", "DIR")
"""Values that are completed with files; `DIR` with directories only."""
EVERYWHERE = (
    Option("--config", "the configuration file", "PATH"),
    Option("--help", "explain this command"),
)


def run(args: list[str], config_option: str | None) -> int:
    """Gives the exit code."""
    shell = read(OWN[0], args).words[0]
    write: dict[str, Callable[[], str]] = {"bash": bash, "zsh": zsh, "fish": fish}
    print(write[shell](), end="")
    return 0


def contexts() -> Iterator[tuple[str, Command]]:
    """Every way to begin a command line, such as `server add`, and the command it leads to.

    The empty one is run mode. Aliases of sub-commands have lines of their own.
    """
    for command in everything():
        parent, _, _ = command.name.rpartition(" ")
        yield command.name, command
        for alias in command.aliases:
            yield f"{parent} {alias}", command


def options(command: Command) -> tuple[Option, ...]:
    """The flags of a command, those of every command included."""
    own = {option.name for option in command.options}
    return (*command.options, *(option for option in EVERYWHERE if option.name not in own))


def words(name: str, command: Command) -> list[tuple[str, str]]:
    """What may stand where a word is expected, with its help: sub-commands, or what its arguments may be."""
    if not name:
        return [(c.name, c.summary) for c in everything() if c.name and " " not in c.name]
    if command.subcommands:
        return [(sub.word, sub.summary) for sub in command.subcommands]
    if name == "help":
        return words("", command)
    choices = [choice for argument in command.arguments for choice in argument.choices]
    return [(choice, "") for choice in choices]


def bash() -> str:
    """The script for bash 3.2 and newer."""
    cases = []
    for name, command in contexts():
        flags = " ".join(option.name for option in options(command))
        plain = " ".join(word for word, _ in words(name, command))
        cases.append(f'    "{name}") flags="{flags}" words="{plain}" ;;')
    values = [
        f"    {pattern}) {action} ;;"
        for pattern, action in (
            ("|".join(_patterns("DIR")), 'COMPREPLY=($(compgen -d -- "$cur")); return'),
            ("|".join(_patterns("PATH", "FILE")), 'COMPREPLY=($(compgen -f -- "$cur")); return'),
            *_choice_patterns(),
            ("|".join(_patterns(None)), "return"),
        )
        if pattern
    ]
    starts = " ".join(f'"{name}"' for name, _ in contexts() if name)
    return f"""\
# callmux completion for bash. Made by: callmux completion bash
_callmux() {{
  local cur prev context word candidate flags words i
  COMPREPLY=()
  cur=${{COMP_WORDS[COMP_CWORD]}}
  prev=${{COMP_WORDS[COMP_CWORD-1]}}
  context=""
  for ((i = 1; i < COMP_CWORD; i++)); do
    word=${{COMP_WORDS[i]}}
    if [ "$word" = "--" ]; then
      COMPREPLY=($(compgen -c -- "$cur") $(compgen -f -- "$cur"))
      return
    fi
    for candidate in {starts}; do
      if [ "${{context:+$context }}$word" = "$candidate" ]; then
        context=$candidate
        break
      fi
    done
  done
  case "$context $prev" in
{chr(10).join(values)}
  esac
  case "$context" in
{chr(10).join(cases)}
  esac
  if [ "${{cur:0:1}}" = "-" ]; then
    COMPREPLY=($(compgen -W "$flags" -- "$cur"))
  else
    COMPREPLY=($(compgen -W "$words" -- "$cur"))
  fi
}}
complete -o default -F _callmux callmux
"""


def _patterns(*values: str | None) -> list[str]:
    """`case` patterns of every flag whose value is one of `values`; None is for whatever else takes one."""
    found = []
    for name, command in contexts():
        for option in options(command):
            kind = None if option.value not in FILES else option.value
            if option.value and not option.choices and kind in values:
                found.append(f'"{name} {option.name}"')
    return found


def _choice_patterns() -> Iterator[tuple[str, str]]:
    for name, command in contexts():
        for option in options(command):
            if option.choices:
                chosen = " ".join(option.choices)
                yield f'"{name} {option.name}"', f'COMPREPLY=($(compgen -W "{chosen}" -- "$cur")); return'


def zsh() -> str:
    """The script for zsh."""
    cases = []
    for name, command in contexts():
        specs = [_zsh_option(option) for option in options(command)]
        plain = [f"{word}:{help}" if help else word for word, help in words(name, command)]
        if command.rest or not name:
            specs.append(_quoted("*:: :_default"))
        elif not plain:
            specs.append(_quoted("*:file:_files"))
        listed = " ".join(_quoted(_colons(each)) for each in plain)
        cases.append(f'    "{name}") plain=({listed}); specs=({" ".join(specs)}) ;;')
    starts = " ".join(_quoted(name) for name, _ in contexts() if name)
    return f"""\
#compdef callmux
# callmux completion for zsh. Made by: callmux completion zsh
_callmux() {{
  local context="" word candidate i at=1
  local -a starts plain specs
  starts=({starts})
  for ((i = 2; i < CURRENT; i++)); do
    word=$words[i]
    if [[ $word == -- ]]; then
      shift $i words
      (( CURRENT -= i ))
      _normal
      return
    fi
    candidate="${{context:+$context }}$word"
    if (( ${{starts[(Ie)$candidate]}} )); then
      context=$candidate
      at=$i
    fi
  done
  case "$context" in
{chr(10).join(cases)}
  esac
  words=("${{(@)words[$at,-1]}}")
  (( CURRENT -= at - 1 ))
  if (( $#plain )) && [[ $words[CURRENT] != -* && $words[CURRENT-1] != --* ]]; then
    _describe word plain && return
  fi
  _arguments -S -s : "${{specs[@]}}"
}}
if [[ $zsh_eval_context[-1] == loadautofunc ]]; then
  _callmux "$@"
else
  compdef _callmux callmux
fi
"""


def _zsh_option(option: Option) -> str:
    help = option.help.replace("[", "(").replace("]", ")").replace(":", "\\:")
    star = "*" if option.repeat else ""
    value = ""
    if option.value:
        action = f"({' '.join(option.choices)})" if option.choices else ""
        action = "_files -/" if option.value == "DIR" else "_files" if option.value in FILES else action
        value = f":{_colons(option.value)}:{action or ' '}"
    return _quoted(f"{star}{option.name}[{help}]{value}")


def _colons(text: str) -> str:
    name, colon, rest = text.partition(":")
    return name + colon + rest.replace(":", "\\:")


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "'\\''") + "'"


def fish() -> str:
    """The script for fish 3 and newer."""
    lines = [
        "# callmux completion for fish. Made by: callmux completion fish",
        "function __callmux_context",
        "    set -l context ''",
        f"    set -l starts {' '.join(_quoted(name) for name, _ in contexts() if name)}",
        "    for word in (commandline -opc)[2..-1]",
        '        if test "$word" = --',
        "            echo --",
        "            return",
        "        end",
        '        set -l candidate (string trim -- "$context $word")',
        "        if contains -- $candidate $starts",
        "            set context $candidate",
        "        end",
        "    end",
        "    echo $context",
        "end",
        "complete -c callmux -f",
    ]
    for name, command in contexts():
        condition = f'-n \'test "$(__callmux_context)" = "{name}"\''
        for word, help in words(name, command):
            described = f" -d {_quoted(help)}" if help else ""
            lines.append(f"complete -c callmux {condition} -a {_quoted(word)}{described}")
        for option in options(command):
            value = ""
            if option.choices:
                value = f" -x -a {_quoted(' '.join(option.choices))}"
            elif option.value == "DIR":
                value = " -x -a '(__fish_complete_directories)'"
            elif option.value:
                value = " -r -F" if option.value in FILES else " -x"
            long = option.name.removeprefix("--")
            lines.append(f"complete -c callmux {condition} -l {long} -d {_quoted(option.help)}{value}")
    return "\n".join(lines) + "\n"
