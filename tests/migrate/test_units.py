"""The service files of callmux for Node."""

from __future__ import annotations

import plistlib

import pytest

from callmux.daemon.units import launchd_plist, systemd_unit
from callmux.migrate.units import OldUnit, read_unit

START = '"/usr/bin/node" "/opt/callmux/dist/bin/callmux.js" --config "/home/a b/c.json" --listen 4870'
UNIT = f"""# callmux-managed-daemon
[Unit]
Description=callmux shared MCP listener
After=network.target

[Service]
Type=simple
ExecStart={START} --host "0.0.0.0"
Restart=on-failure
RestartSec=2

[Install]
WantedBy=default.target
"""
WORDS = ["/usr/bin/node", "/opt/callmux.js", "--config", "/c.json", "--listen", "4860"]
PLIST = (
    plistlib.dumps({"Label": "dev.callmux.callmux", "ProgramArguments": WORDS, "KeepAlive": True})
    .decode()
    .replace("<dict>", "<dict>\n<!-- callmux-managed-daemon -->", 1)
)


def test_a_unit_and_a_property_list_are_taken_apart() -> None:
    assert read_unit(UNIT) == OldUnit(
        ("/usr/bin/node", "/opt/callmux/dist/bin/callmux.js"), "/home/a b/c.json", 4870, "0.0.0.0"
    )
    assert read_unit(PLIST) == OldUnit(("/usr/bin/node", "/opt/callmux.js"), "/c.json", 4860, None)


@pytest.mark.parametrize(
    "text",
    [
        "",
        UNIT.replace("# callmux-managed-daemon", "# mine"),
        UNIT.replace("--listen 4870", ""),
        UNIT.replace("--listen 4870", "--listen x"),
        UNIT.replace('"0.0.0.0"', '"0.0.0.0'),
        UNIT.replace("ExecStart", "ExecStop"),
        PLIST.replace("<true/>", "<dict/>"),
        PLIST.replace("</plist>", ""),
        systemd_unit(["/callmux", "--config", "/c", "--listen", "4860"], "user", None, "/v"),
    ],
)
def test_what_is_not_the_originals_is_left_alone(text: str) -> None:
    """Ours, other people's, and what cannot be understood."""
    assert read_unit(text) is None


def test_our_own_property_list_is_not_the_originals() -> None:
    words = ["/c", "--config", "/x", "--listen", "4860"]
    assert read_unit(launchd_plist("dev.callmux.x", words, {}, "/logs/callmux")) is None


@pytest.mark.parametrize("arguments", [None, "callmux --listen 4860", {}])
def test_a_property_list_without_a_list_of_words_is_none_of_ours(arguments: object) -> None:
    document = {"Label": "dev.callmux.callmux", "KeepAlive": True, "ProgramArguments": arguments}
    given = {name: value for name, value in document.items() if value is not None}
    text = plistlib.dumps(given).decode().replace("<dict>", "<dict>\n<!-- callmux-managed-daemon -->", 1)
    assert read_unit(text) is None
