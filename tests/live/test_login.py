"""`callmux login` as a process: by a browser, and at a terminal as through ssh, without display or keyring.

The authorization server and the MCP server behind it are those of `tests.oauth`.
"""

from __future__ import annotations

import fcntl
import json
import os
import pty
import re
import select
import signal
import subprocess
import sys
import termios
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.oauth.scene import Guarded, guarded

BROWSER = """
import sys, urllib.request
print("opened", file=open(sys.argv[1], "a"))
with urllib.request.urlopen(sys.argv[2], timeout=30) as page:
    open(sys.argv[1], "a").write(page.read().decode())
"""
"""A browser in which somebody agrees at once; it follows the redirect to the receiver."""


@pytest.fixture(scope="module")
def server() -> Iterator[Guarded]:
    with guarded() as found:
        yield found


class Place:
    """A home with a configuration whose server wants a sign-in."""

    def __init__(self, tmp_path: Path, server: Guarded) -> None:
        self.home = tmp_path
        self.config = tmp_path / "c.json"
        self.config.write_text(json.dumps({"servers": {"guarded": {"url": server.url}}}))
        drop = ("CALLMUX", "XDG", "SSH", "DISPLAY", "WAYLAND", "BROWSER", "DBUS")
        self.env = {key: value for key, value in os.environ.items() if not key.startswith(drop)}
        self.env |= {"HOME": str(tmp_path), "PYTHONPATH": os.pathsep.join(sys.path)}

    def command(self, *args: str) -> list[str]:
        return [sys.executable, "-m", "callmux", *args, "--config", str(self.config)]

    def run(self, *args: str, **env: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            self.command(*args),
            env={**self.env, **env},
            capture_output=True,
            text=True,
            timeout=120,
            stdin=subprocess.DEVNULL,
        )


@pytest.fixture
def place(tmp_path: Path, server: Guarded) -> Place:
    return Place(tmp_path, server)


class Terminal:
    """A command at a terminal of its own."""

    def __init__(self, place: Place, *args: str, **env: str) -> None:
        self.ours, self.theirs = pty.openpty()
        self.process = subprocess.Popen(
            place.command(*args),
            env={**place.env, **env},
            stdin=self.theirs,
            stdout=self.theirs,
            stderr=self.theirs,
            start_new_session=True,
            # Else Ctrl-C would mean nothing.
            preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0),
        )
        self.seen = ""

    def until(self, sign: str) -> str:
        """Reads until a text was shown."""
        end = time.monotonic() + 60
        while sign not in self.seen:
            left = end - time.monotonic()
            assert left > 0, self.seen
            if select.select([self.ours], [], [], left)[0]:
                self.seen += os.read(self.ours, 65536).decode()
        return self.seen

    def type(self, text: str) -> None:
        while text:
            text = text[os.write(self.ours, text[:1000].encode()) :]

    def end(self) -> int:
        """Waits for the end; the terminal must be as it was."""
        code = self.process.wait(60)
        while select.select([self.ours], [], [], 0.2)[0]:
            self.seen += os.read(self.ours, 65536).decode()
        flags = termios.tcgetattr(self.theirs)[3]
        assert flags & termios.ECHO
        assert flags & termios.ICANON
        os.close(self.ours)
        os.close(self.theirs)
        return code


class _Stay(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *args: object) -> None:
        """None is followed: the browser is on another machine, where nobody listens."""


def redirect_of(url: str) -> str:
    """Where a browser elsewhere ends up once somebody has agreed."""
    with pytest.raises(urllib.error.HTTPError) as caught:
        urllib.request.build_opener(_Stay).open(url, timeout=30)
    with caught.value as answer:
        assert answer.code in (302, 303)
        return str(answer.headers["Location"])


def tokens(place: Place) -> list[Path]:
    return list((place.home / ".local/state/callmux/tokens").glob("*.json"))


def test_by_a_browser_on_this_machine(place: Place, server: Guarded) -> None:
    browser = place.home / "browser.py"
    browser.write_text(BROWSER)
    pages = place.home / "pages"
    opens = f"{sys.executable} {browser} {pages} %s"
    done = place.run("login", "guarded", BROWSER=opens)
    assert done.returncode == 0, done.stderr
    assert 'Signed in to "guarded". The tokens are in a file of mode 0600' in done.stdout
    assert "Back to the terminal" in pages.read_text()
    (kept,) = tokens(place)
    assert kept.stat().st_mode & 0o777 == 0o600
    given = server.control()["tokens"]
    assert not [token for token in given if token in done.stdout + done.stderr + pages.read_text()]
    status = place.run("login", "--status", "--json")
    assert status.returncode == 0
    (shown,) = json.loads(status.stdout)["servers"]
    assert (shown["state"], shown["renewable"]) == ("signed_in", True)
    assert not [token for token in given if token in status.stdout]
    again = place.run("login", BROWSER=opens)
    assert again.returncode == 0
    assert '"guarded": signed in already' in again.stdout
    assert pages.read_text().count("opened") == 1


def test_over_ssh_without_display_and_keyring_the_last_address_is_pasted(
    place: Place, server: Guarded
) -> None:
    terminal = Terminal(place, "login", SSH_CONNECTION="1.2.3.4 5 6.7.8.9 22", CALLMUX_KEYRING="off")
    said = terminal.until("Ctrl-C gives up.")
    assert "No browser is opened here (this is a session over ssh)." in said
    (address,) = re.findall(r"^  (http\S+)", said, re.MULTILINE)
    last = redirect_of(address)
    terminal.type("what is this?\n")
    terminal.until("does not belong to this sign-in")
    terminal.type(f"{last}&padding={'x' * 6000}\n")
    terminal.until("Signed in to")
    assert terminal.end() == 0
    assert "(CALLMUX_KEYRING is off)" in terminal.seen
    code = last.partition("code=")[2].partition("&")[0]
    assert code
    assert code not in terminal.seen
    assert len(tokens(place)) == 1


def test_through_a_forwarded_port_the_receiver_is_heard_while_the_terminal_waits(
    place: Place, server: Guarded
) -> None:
    terminal = Terminal(place, "login", "guarded", SSH_TTY="/dev/pts/9")
    said = terminal.until("Ctrl-C gives up.")
    (address,) = re.findall(r"^  (http\S+)", said, re.MULTILINE)
    terminal.type("half of some")
    with urllib.request.urlopen(redirect_of(address), timeout=30) as page:
        assert b"Back to the terminal" in page.read()
    terminal.until("Signed in to")
    assert terminal.end() == 0


def test_the_redirect_address_of_a_server_is_the_same_each_time(place: Place, server: Guarded) -> None:
    seen = []
    for _ in range(2):
        terminal = Terminal(place, "login", "guarded", SSH_TTY="/dev/pts/9")
        said = terminal.until("Ctrl-C gives up.")
        seen.append(re.findall(r"Waiting on (\S+)", said))
        terminal.type("\x03")
        assert terminal.end() == 130
    assert seen[0] == seen[1]
    assert tokens(place) == [] or "signedIn" not in tokens(place)[0].read_text()


def test_nobody_who_comes_is_waited_for_without_an_end(place: Place) -> None:
    done = place.run("login", "guarded", "--timeout", "1", "--no-browser")
    assert done.returncode == 1
    assert "nobody signed in within 1 s" in done.stderr


def test_a_person_who_says_no_is_heard(place: Place) -> None:
    terminal = Terminal(place, "login", "guarded", SSH_TTY="/dev/pts/9")
    said = terminal.until("Ctrl-C gives up.")
    (address,) = re.findall(r"^  (http\S+)", said, re.MULTILINE)
    (state,) = re.findall(r"[?&]state=([^&]+)", address)
    terminal.type(f"error=access_denied&error_description=not+today&state={state}\n")
    terminal.until("not today")
    assert terminal.end() == 1


def test_a_sign_in_is_revoked_and_forgotten(place: Place, server: Guarded) -> None:
    terminal = Terminal(place, "login", "guarded", SSH_TTY="/dev/pts/9")
    (address,) = re.findall(r"^  (http\S+)", terminal.until("Ctrl-C gives up."), re.MULTILINE)
    before = set(server.control()["tokens"])
    terminal.type(f"{redirect_of(address)}\n")
    terminal.until("Signed in to")
    assert terminal.end() == 0
    new = set(server.control()["tokens"]) - before
    assert new
    done = place.run("logout", "guarded")
    assert done.stdout == 'The sign-in to "guarded" is revoked and forgotten.\n'
    assert not new & set(server.control()["tokens"])
    assert tokens(place) == []


def test_a_command_that_is_killed_leaves_nothing_half_kept(place: Place) -> None:
    terminal = Terminal(place, "login", "guarded", SSH_TTY="/dev/pts/9")
    terminal.until("Ctrl-C gives up.")
    terminal.process.send_signal(signal.SIGKILL)
    terminal.process.wait(60)
    os.close(terminal.ours)
    os.close(terminal.theirs)
    status = place.run("login", "--status")
    assert "guarded: no sign-in is kept" in status.stdout


@pytest.mark.parametrize("command", [("doctor",), ("server", "test", "guarded")], ids=" ".join)
def test_a_command_that_finds_a_server_which_wants_a_sign_in_offers_it(
    command: tuple[str, ...], place: Place
) -> None:
    browser = place.home / "browser.py"
    browser.write_text(BROWSER)
    opens = f"{sys.executable} {browser} {place.home}/pages %s"
    piped = place.run(*command, BROWSER=opens)
    assert piped.returncode == 1
    assert "callmux login guarded" in piped.stdout
    terminal = Terminal(place, *command, BROWSER=opens, TERM="xterm")
    terminal.until('"guarded" wants you to sign in. Now?')
    terminal.type("\r")
    terminal.until('Signed in to "guarded".')
    terminal.until("Result:")
    assert terminal.end() == 0, terminal.seen


def test_a_server_that_is_added_is_signed_in_to_at_once(place: Place, server: Guarded) -> None:
    browser = place.home / "browser.py"
    browser.write_text(BROWSER)
    opens = f"{sys.executable} {browser} {place.home}/pages %s"
    terminal = Terminal(place, "server", "add", "new", server.url, BROWSER=opens, TERM="xterm")
    terminal.until('"new" wants you to sign in. Now?')
    terminal.type("\r")
    terminal.until("Which tools do agents get?")
    terminal.type("\r")
    assert terminal.end() == 0, terminal.seen
    assert "new" in json.loads(place.config.read_text())["servers"]


def test_setup_adds_a_server_that_wants_a_sign_in_and_says_how(place: Place, server: Guarded) -> None:
    config = place.home / "new.json"
    done = subprocess.run(
        [*place.command("setup", "--yes", "--clients", "none", "--server", f"far={server.url}")[:-1], config],
        env=place.env,
        cwd=place.home,
        capture_output=True,
        text=True,
        timeout=120,
        stdin=subprocess.DEVNULL,
    )
    assert done.returncode == 0, done.stderr
    assert "callmux login far" in done.stdout
    assert "far" in json.loads(config.read_text())["servers"]


def test_the_dialogue_of_setup_signs_in_and_moves_secrets_out(place: Place, server: Guarded) -> None:
    browser = place.home / "browser.py"
    browser.write_text(BROWSER)
    opens = f"{sys.executable} {browser} {place.home}/pages %s"
    cursor = place.home / ".cursor" / "mcp.json"
    cursor.parent.mkdir()
    cursor.write_text(json.dumps({"mcpServers": {"far": {"url": server.url}}}))
    old = {"command": "true", "env": {"OLD_TOKEN": "hunter2-hunter2"}}
    place.config.write_text(json.dumps({"servers": {"old": old}}))
    terminal = Terminal(place, "setup", "--no-project", BROWSER=opens, TERM="xterm", CALLMUX_KEYRING="off")
    for question in (
        "There is a configuration",
        "Which clients get callmux?",
        "Which servers move",
        "Add well-known servers?",
        "Add a server of your own?",
        '"far" wants you to sign in. Now?',
        "Choose single tools?",
        "How are the servers run?",
        "Write this?",
        "Secrets stand in",
    ):
        terminal.until(question)
        terminal.type("\r")
    terminal.until("Moved: old: env.OLD_TOKEN")
    assert terminal.end() == 0, terminal.seen
    assert 'Signed in to "far".' in terminal.seen
    servers = json.loads(place.config.read_text())["servers"]
    assert servers["old"]["env"] == {"OLD_TOKEN": "keyring:old-OLD_TOKEN"}
    assert servers["far"]["url"] == server.url
    assert "hunter2" not in terminal.seen
    assert "whoami" in place.run("server", "test", "far").stdout


@pytest.mark.parametrize("url", ["cmd:echo {}", "{}?key=${{cmd:echo k}}", "env:FAR"])
def test_a_server_whose_url_is_a_reference_is_signed_in_to(place: Place, server: Guarded, url: str) -> None:
    place.config.write_text(json.dumps({"servers": {"guarded": {"url": url.format(server.url)}}}))
    place.env |= {"FAR": server.url, "CALLMUX_KEYRING": "off"}
    browser = place.home / "browser.py"
    browser.write_text(BROWSER)
    done = place.run("login", "guarded", BROWSER=f"{sys.executable} {browser} {place.home}/pages %s")
    assert done.returncode == 0, done.stderr
    assert "guarded: signed in" in place.run("login", "--status").stdout
    assert "whoami" in place.run("server", "test", "guarded").stdout
    assert "revoked and forgotten" in place.run("logout", "guarded").stdout
