"""What would be written and run."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec import UNSET

from callmux.daemon.plan import ServiceMachine, ServiceOptions, ServicePlan, make_plan, plan_lines

LINUX = ServiceMachine(platform="linux", has_systemctl=True, uid=1000, home="/home/al", path="/usr/bin")
MAC = ServiceMachine(platform="darwin", has_systemctl=False, uid=501, home="/Users/al", path="/usr/bin")


def plan(
    action: Any,
    place: ServiceMachine = LINUX,
    *,
    installed: bool = False,
    changed: bool = False,
    **options: Any,
) -> ServicePlan:
    options = {"command": ("/opt/callmux",), "config_path": "/c.json", **options}
    return make_plan(ServiceOptions(action=action, **options), place, installed=installed, changed=changed)


def commands(action: Any, place: ServiceMachine = LINUX, **more: Any) -> list[str]:
    return [" ".join(words) for words in plan(action, place, **more).commands]


@pytest.mark.parametrize(
    ("action", "expected"),
    [
        ("install", ["systemctl --user daemon-reload"]),
        (
            "uninstall",
            ["systemctl --user disable --now callmux.service", "systemctl --user daemon-reload"],
        ),
        ("start", ["systemctl --user start callmux.service"]),
        ("stop", ["systemctl --user stop callmux.service"]),
        ("restart", ["systemctl --user reload-or-restart callmux.service"]),
        ("enable", ["systemctl --user enable callmux.service"]),
        ("disable", ["systemctl --user disable callmux.service"]),
        ("status", ["systemctl --user status callmux.service --no-pager -l"]),
        ("logs", ["journalctl --user -u callmux.service -n 100 --no-pager"]),
    ],
)
def test_what_systemd_is_told(action: Any, expected: list[str]) -> None:
    assert commands(action) == expected
    assert commands(action, scope="system") == [line.replace(" --user", "") for line in expected]


T = "gui/501/dev.callmux.callmux"
PLIST = "/Users/al/Library/LaunchAgents/dev.callmux.callmux.plist"


@pytest.mark.parametrize(
    ("action", "expected"),
    [
        ("install", [f"launchctl bootstrap gui/501 {PLIST}"]),
        ("uninstall", [f"launchctl bootout gui/501 {PLIST}"]),
        ("start", [f"launchctl kickstart -k {T}"]),
        ("stop", [f"launchctl kill TERM {T}"]),
        ("restart", [f"launchctl kill TERM {T}", f"launchctl kickstart -k {T}"]),
        ("enable", [f"launchctl enable {T}"]),
        ("disable", [f"launchctl disable {T}"]),
        ("status", [f"launchctl print {T}"]),
        ("logs", ["tail -n 100 /Users/al/Library/Logs/callmux.err.log"]),
    ],
)
def test_what_launchd_is_told(action: Any, expected: list[str]) -> None:
    assert commands(action, MAC) == expected


def test_installing_may_start_and_enable() -> None:
    linux = [line.split()[2] for line in commands("install", start=True, enable=True)]
    assert linux == ["daemon-reload", "enable", "start"]
    mac = [line.split()[1] for line in commands("install", MAC, start=True, enable=True)]
    assert mac == ["bootstrap", "enable", "kickstart"]


def test_installing_again_takes_effect() -> None:
    """C5: the original's `start` leaves the old command running, and launchd refuses the second bootstrap."""
    assert commands("install", start=True, changed=True)[-1].split()[2] == "restart"
    assert [line.split()[1] for line in commands("install", MAC, installed=True)] == ["bootout", "bootstrap"]


def test_a_restart_may_be_a_whole_one() -> None:
    assert commands("restart", anew=True) == ["systemctl --user restart callmux.service"]
    assert commands("logs", follow=True) == ["journalctl --user -u callmux.service -n 100 -f"]


@pytest.mark.parametrize(
    ("place", "scope", "kind", "path"),
    [
        ({}, None, "systemd", "/home/al/.config/systemd/user/x.service"),
        ({"uid": 0}, None, "systemd", "/etc/systemd/system/x.service"),
        ({"uid": 0}, "user", "systemd", "/home/al/.config/systemd/user/x.service"),
        ({}, "system", "systemd", "/etc/systemd/system/x.service"),
        ({"platform": "darwin"}, None, "launchd", "/home/al/Library/LaunchAgents/dev.callmux.x.plist"),
        ({"platform": "darwin"}, "system", "unsupported", UNSET),
        ({"has_systemctl": False}, None, "unsupported", UNSET),
        ({"platform": "win32", "uid": None}, None, "unsupported", UNSET),
    ],
)
def test_the_backend_is_what_the_machine_has(place: dict[str, Any], scope: Any, kind: str, path: Any) -> None:
    import msgspec

    found = plan("install", msgspec.structs.replace(LINUX, **place), name="x", scope=scope)
    assert (found.kind, found.service_file_path, found.supported) == (kind, path, kind != "unsupported")
    if not found.supported:
        assert (found.commands, found.file) == ([], UNSET)
        assert found.warnings
        assert plan_lines(found)[-1] == "Manual command: /opt/callmux --config /c.json --listen 4860"


def test_the_plan_as_json() -> None:
    shown = plan("install", host="0.0.0.0", port=5000).shown()
    assert list(shown) == [
        *("action", "kind", "scope", "supported", "name", "label", "uid", "serviceFilePath", "configPath"),
        *("variablesPath", "port", "host", "binaryPath", "warnings", "manualCommand", "file", "commands"),
    ]
    assert shown["commands"] == [["systemctl", "--user", "daemon-reload"]]
    content = shown["file"]["content"]  # type: ignore[index]
    assert 'ExecStart="/opt/callmux" --config "/c.json" --listen 5000 --host "0.0.0.0"' in content
    assert (shown["label"], plan("install", MAC).label) == ("callmux", "dev.callmux.callmux")
    assert "file" not in plan("stop").shown()


def test_the_plan_for_people() -> None:
    lines = plan_lines(plan("install", command=("/usr/bin/python3", "-m", "callmux")))
    assert "Listen: 127.0.0.1:4860" in lines
    assert "File to be written: /home/al/.config/systemd/user/callmux.service" in lines
    assert "  systemctl --user daemon-reload" in lines
    assert lines[-1] == "Manual command: /usr/bin/python3 -m callmux --config /c.json --listen 4860"
    assert "File to be removed: /home/al/.config/systemd/user/callmux.service" in plan_lines(
        plan("uninstall")
    )
