"""The files that service managers read."""

from __future__ import annotations

import configparser
import os
import plistlib
import shutil
import subprocess
from pathlib import Path

import pytest

from callmux.daemon.units import is_managed, launchd_plist, systemd_unit
from callmux.errors import UsageError

COMMAND = ["/opt/bin/callmux", "--config", "/home/al/c.json", "--listen", "4860"]
NASTY = '/a b/%h $x "q" \\ \'ü'


def unit(*command: str, path: str | None = "/usr/bin") -> str:
    return systemd_unit(command or COMMAND, "user", path, "/home/al/callmux.env")


def sections(text: str) -> configparser.RawConfigParser:
    parser = configparser.RawConfigParser(strict=True)
    parser.optionxform = str  # type: ignore[assignment,method-assign]
    parser.read_string(text)
    return parser


def test_a_unit_hands_over_and_knows_when_it_is_ready() -> None:
    service = sections(unit())["Service"]
    assert service["Type"] == "notify"
    assert service["NotifyAccess"] == "all"
    assert service["ExecStart"] == '"/opt/bin/callmux" --config "/home/al/c.json" --listen 4860'
    assert service["ExecReload"] == "/bin/kill -USR2 $MAINPID"
    assert service["KillMode"] == "mixed"
    assert service["Restart"] == "on-failure"
    assert service["EnvironmentFile"] == "-/home/al/callmux.env"


def test_who_wants_a_unit_depends_on_whose_it_is() -> None:
    assert sections(unit())["Install"]["WantedBy"] == "default.target"
    system = systemd_unit(COMMAND, "system", None, "/etc/callmux/callmux.env")
    assert sections(system)["Install"]["WantedBy"] == "multi-user.target"
    assert "Environment=" not in system


def test_what_has_a_meaning_to_systemd_is_escaped() -> None:
    """C5: in the original, `%` and `$` in a path are not."""
    service = sections(unit("/bin/x", NASTY, path=NASTY))["Service"]
    assert service["ExecStart"] == '"/bin/x" "/a b/%%h $$x \\"q\\" \\\\ \'ü"'
    assert service["Environment"] == '"PATH=/a b/%%h $x \\"q\\" \\\\ \'ü"'


@pytest.mark.parametrize("word", ["a\nExecStartPre=/bin/evil", "a\0", "a\x7f"])
def test_a_word_cannot_bring_lines_of_its_own(word: str) -> None:
    with pytest.raises(UsageError, match="control character"):
        unit("/bin/x", word)
    with pytest.raises(UsageError, match="control character"):
        launchd_plist("l", ["/bin/x", word], {}, "/l")


@pytest.mark.parametrize("scope", ["user", "system"])
def test_systemd_accepts_the_units(scope: str, tmp_path: Path) -> None:
    analyze = shutil.which("systemd-analyze")
    if analyze is None:
        pytest.skip("systemd-analyze is missing: the units are not verified (package systemd)")
    program = tmp_path / "a b" / "call%mux"
    program.parent.mkdir()
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    path = tmp_path / "callmux.service"
    words = [str(program), "--config", NASTY, "--listen", "4860"]
    path.write_text(systemd_unit(words, "user" if scope == "user" else "system", "/usr/bin", "/x.env"))
    done = subprocess.run(
        [analyze, "verify", f"--{scope}", "--man=no", str(path)],
        env={**os.environ, "XDG_RUNTIME_DIR": str(tmp_path)},
        capture_output=True,
        timeout=60,
        check=False,
    )
    said = done.stdout.decode() + done.stderr.decode()
    assert (done.returncode, "callmux.service" in said) == (0, False), said
    # It does look: a unit with a mistake is told from one without.
    path.write_text(path.read_text().replace("Type=notify", "Type=nonsense").replace("a b/call", "gone/call"))
    done = subprocess.run(
        [analyze, "verify", f"--{scope}", "--man=no", str(path)],
        env={**os.environ, "XDG_RUNTIME_DIR": str(tmp_path)},
        capture_output=True,
        timeout=60,
        check=False,
    )
    assert "callmux.service" in done.stdout.decode() + done.stderr.decode()


def test_a_property_list_is_read_as_it_was_meant() -> None:
    text = launchd_plist("dev.callmux.x", [*COMMAND, "<&>\"' $HOME %h"], {"PATH": "/a&b"}, "/l/x")
    facts = plistlib.loads(text.encode())
    assert facts["Label"] == "dev.callmux.x"
    assert facts["ProgramArguments"] == [*COMMAND, "<&>\"' $HOME %h"]
    assert facts["EnvironmentVariables"] == {"PATH": "/a&b"}
    assert facts["RunAtLoad"] is True
    assert (facts["StandardOutPath"], facts["StandardErrorPath"]) == ("/l/x.log", "/l/x.err.log")


def test_a_stopped_launchd_service_stays_stopped() -> None:
    """C5: the original's `KeepAlive` starts it again at once."""
    facts = plistlib.loads(launchd_plist("l", COMMAND, {}, "/l").encode())
    assert facts["KeepAlive"] == {"SuccessfulExit": False}
    assert "EnvironmentVariables" not in facts


def test_our_own_files_are_known_again() -> None:
    assert is_managed(unit())
    assert unit().startswith("# callmux-managed-daemon\n")
    assert is_managed(launchd_plist("l", COMMAND, {}, "/l"))
    assert is_managed("# callmux-managed-daemon\r\n[Unit]")
    assert not is_managed("[Unit]\nDescription=about callmux-managed-daemon")
