"""`callmux client print|attach|detach|status|upgrade`: callmux's entry in the files of MCP clients.

Called by `callmux.cli.main`. What a file becomes is decided by `callmux.clients.editing`; here files are read
and written, and people are told.
"""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from callmux.bridge.credentials import Token, given_token, keep_token
from callmux.bridge.endpoint import read_endpoint
from callmux.cli.console import labelled, pretty_json, print_json, print_lines
from callmux.cli.grammar.client import COMMANDS
from callmux.cli.own_entry import (
    EntryOptions,
    entry_name,
    node_commands,
    own_entry,
    read_entry_options,
    this_machine,
    this_program,
)
from callmux.cli.parsing import Given, read
from callmux.clients import codex, editing
from callmux.clients.changes import Change, apply, backups
from callmux.clients.detect import KINDS, client_file, project_files, read_text
from callmux.clients.dialects import DIALECTS
from callmux.clients.diff import unified
from callmux.clients.entry import ClientFileError, Entry
from callmux.clients.json_files import snippet
from callmux.clients.ledger import knows, noted
from callmux.clients.program import lasting, start_command
from callmux.errors import UsageError
from callmux.timestamps import sortable


def run(args: list[str], config_option: str | None) -> int:
    """Gives the exit code."""
    given = read(COMMANDS[0], args)
    action = {
        "print": _print,
        "attach": _attach,
        "detach": _detach,
        "status": _status,
        "upgrade": _upgrade,
    }[given.command.word]
    return action(given, config_option)


def ledger_file(home: Path) -> Path:
    """Where it is noted which entries are ours."""
    return home / ".config" / "callmux" / "attached.json"


def _print(given: Given, config_option: str | None) -> int:
    kind = given.words[0]
    options = read_entry_options(given, config_option)
    entry = own_entry(kind, options, lasting(this_program()))
    if kind == "codex":
        print(codex.table(options.name, entry))
    else:
        print_json(snippet(DIALECTS[kind], options.name, entry))
    return 0


def _target(kind: str, given: Given) -> Path:
    named = given.text("--file")
    if named is not None:
        return Path(os.path.abspath(os.path.expanduser(named)))
    path = client_file(kind, this_machine())
    if path is None:
        raise UsageError(f'"{kind}" has no file of its own: name one with --file')
    return path


def _attach(given: Given, config_option: str | None) -> int:
    kind, options = given.words[0], read_entry_options(given, config_option)
    token = given_token(given.text("--token"), given.text("--token-file"))
    entry = own_entry(kind, options, lasting(this_program()))
    code = _edit(given, kind, options, "attach", entry, token)
    if token and options.url and not options.bridge and not options.token_env and not given.on("--json"):
        print(
            f"{editing.title(kind)} does not send that token: use --bridge, or --token-env NAME with the"
            " token in that environment variable."
        )
    return code


def _detach(given: Given, config_option: str | None) -> int:
    if given.on("--token") or given.on("--token-file"):
        raise UsageError("--token and --token-file are only valid with client attach")
    options = EntryOptions(name=entry_name(given), url=None, bridge=False, token_env=None, config=None)
    return _edit(given, given.words[0], options, "detach", None, None)


def _edit(
    given: Given, kind: str, options: EntryOptions, action: str, entry: Entry | None, token: Token | None
) -> int:
    path, home = _target(kind, given), Path.home()
    old = read_text(path)
    text = old or ""
    ledger = ledger_file(home)
    noted_before = read_text(ledger)

    def known(name: str, raw: Any) -> bool:
        return knows(noted_before or "", str(path), name, raw)

    try:
        if entry is not None:
            edit = editing.attach(kind, text, options.name, entry, known)
        else:
            edit = editing.detach(kind, text, options.name, known)
    except ClientFileError as error:
        raise ClientFileError(f"{path}: {error.message}") from None
    changed = edit.text != text
    write = given.on("--yes") and not given.on("--dry-run")
    backup = None
    if write:
        changes = [_change(path, old, edit.text, kind, options.name)] if changed else []
        if changed:
            raw = next(iter(editing.sections(kind, edit.text).values())).get(options.name)
            after = noted(noted_before or "", str(path), options.name, raw)
            changes.append(Change(path=ledger, before=_encoded(noted_before), after=after.encode()))
        backup = apply(changes, backups(home), "client", sortable(time.time()))
    kept = _keep(token, options, home) if token and write else None
    preview = _preview(kind, options.name, entry) if changed else None
    shown = {
        "action": action,
        "client": kind,
        "path": str(path),
        "serverName": options.name,
        "changed": changed,
        "wrote": write and changed,
        "dryRun": not write,
        "url": options.url,
        "bridge": options.bridge or None,
        "tokenStashed": None if token is None else kept is not None,
        "tokenStorePath": None if kept is None else str(kept),
        "backupPath": None if backup is None else str(backup),
        "note": edit.note,
        "preview": preview,
    }
    if given.on("--json"):
        print_json({key: value for key, value in shown.items() if value is not None})
        return 0
    print_lines(_told(kind, shown, unified(str(path), text, edit.text)))
    return 0


def _change(path: Path, old: str | None, text: str, kind: str, name: str) -> Change:
    section = codex.SECTION if kind == "codex" else DIALECTS[kind].section
    return Change(path=path, before=_encoded(old), after=text.encode(), paths=((section, name),))


def _encoded(text: str | None) -> bytes | None:
    return None if text is None else text.encode()


def _preview(kind: str, name: str, entry: Entry | None) -> str:
    if entry is None:
        return f'remove "{name}"'
    if kind == "codex":
        return codex.block(name, entry)
    return pretty_json(snippet(DIALECTS[kind], name, entry))


def _told(kind: str, shown: dict[str, Any], difference: str) -> list[str]:
    name, path = shown["serverName"], shown["path"]
    lines: list[str] = []
    if not shown["changed"]:
        lines.append(f'No changes needed: "{name}" in {path}')
    elif shown["dryRun"]:
        lines += [f"Preview only, nothing is written without --yes. {path} would change:", "", difference]
    else:
        verb = "Attached" if shown["action"] == "attach" else "Detached"
        lines.append(f'{verb} "{name}" in {path}. {editing.reload_hint(kind)}')
        lines.append(f"What was there is kept in {shown['backupPath']}")
    if shown["note"]:
        lines.append(shown["note"])
    if shown["tokenStorePath"]:
        lines.append(f"The token is kept in {shown['tokenStorePath']}, not in the client's file.")
    elif shown["tokenStashed"] is False:
        lines.append("The token would be kept, too.")
    return lines


def _keep(token: Token, options: EntryOptions, home: Path) -> Path:
    """Keeps the token for the bridge and the shell verbs, with the listener it belongs to."""
    return keep_token(home, read_endpoint(options.url or "http://127.0.0.1:4860/mcp"), token.value)


def _status(given: Given, config_option: str | None) -> int:
    kinds: Sequence[str] = given.words or (KINDS[:-1] if given.on("--all") else ("claude", "codex"))
    if not given.words:
        for flag in ("--file", "--url", "--bridge", "--token-env"):
            if given.on(flag):
                raise UsageError(f"{flag} needs a client: callmux client status CLIENT {flag} ...")
    options = read_entry_options(given, config_option)
    statuses = [_one_status(kind, given, options) for kind in kinds]
    if given.on("--json"):
        print_json(statuses[0] if given.words else {"statuses": statuses})
        return 0
    for status in statuses:
        print(f"{status['client']}: {status['status']}")
        configured = "yes" if status["configured"] else "no"
        print_lines(
            labelled(
                {
                    "path": status["path"],
                    "server": status["serverName"],
                    "configured": configured,
                    "details": status.get("details"),
                }
            )
        )
    return 0


def _one_status(kind: str, given: Given, options: EntryOptions) -> dict[str, Any]:
    path = _target(kind, given)
    try:
        text = read_text(path) or ""
        ledger = read_text(ledger_file(Path.home())) or ""
        status = editing.status(
            kind,
            text,
            options.name,
            own_entry(kind, options, this_program()),
            lambda name, raw: knows(ledger, str(path), name, raw),
            any_way=options.url is None and options.config is None,
        )
    except ClientFileError as error:
        text, status = "?", editing.Status("invalid", error.message)
    shown = {
        "client": kind,
        "path": str(path),
        "serverName": options.name,
        "exists": bool(text.strip()),
        "status": status.word,
        "configured": status.configured,
        "details": status.details,
    }
    return {key: value for key, value in shown.items() if value is not None}


def _upgrade(given: Given, config_option: str | None) -> int:
    del config_option
    program = lasting(this_program())
    write = given.on("--yes") and not given.on("--dry-run")
    shown: list[dict[str, Any]] = []
    changes: list[Change] = []
    differences: list[str] = []
    for kind, path in _upgradable(given):
        try:
            old = read_text(path)
            if old is None:
                continue
            also = node_commands(program)
            found = editing.node_entries(kind, old, also)
            start = start_command(program, absolute=editing.has_poor_path(kind))
            text = editing.upgrade(kind, old, start, also).text
        except ClientFileError as error:
            shown.append({"client": kind, "path": str(path), "entries": [], "problem": error.message})
            continue
        if found:
            shown.append({"client": kind, "path": str(path), "entries": [way[-1] for way in found]})
            changes.append(Change(path=path, before=old.encode(), after=text.encode(), paths=tuple(found)))
            differences.append(unified(str(path), old, text))
    backup = apply(changes, backups(Path.home()), "client", sortable(time.time())) if write else None
    if given.on("--json"):
        more = {} if backup is None else {"backupPath": str(backup)}
        print_json({"action": "upgrade", "wrote": backup is not None, "files": shown, **more})
        return 0
    for item in shown:
        if "problem" in item:
            print(f"{item['path']}: left alone: {item['problem']}")
    if not changes:
        print("No entry runs callmux through npx.")
    elif backup is None:
        print("Preview only, nothing is written without --yes.\n\n" + "\n".join(differences))
    else:
        for item in shown:
            if item["entries"]:
                print(f"Upgraded {', '.join(item['entries'])} in {item['path']}")
        print(f"What was there is kept in {backup}")
    return 0


def _upgradable(given: Given) -> list[tuple[str, Path]]:
    """The files that are looked at."""
    machine = this_machine()
    if given.on("--file"):
        if not given.words:
            raise UsageError("--file needs a client: callmux client upgrade CLIENT --file PATH")
        return [(given.words[0], _target(given.words[0], given))]
    kinds = given.words or KINDS[:-1]
    own = [(kind, path) for kind in kinds if (path := client_file(kind, machine)) is not None]
    return own + [(kind, path) for kind, path in project_files(machine) if kind in kinds]
