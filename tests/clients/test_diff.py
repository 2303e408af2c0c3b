"""What people see of a change."""

from __future__ import annotations

from callmux.clients.diff import unified


def test_a_difference_shows_lines_and_no_secret() -> None:
    before = '{\n  "env": {\n    "API_KEY": "hunter2",\n    "KEEP": "seen"\n  }\n}\n'
    after = before.replace("seen", "changed").replace("hunter2", "hunter3")
    shown = unified("/f", before, after)
    assert "hunter" not in shown
    assert '-    "API_KEY": "[redacted]",' in shown
    assert '+    "KEEP": "changed"' in shown
    assert shown.startswith("--- /f (now)\n+++ /f (then)\n")


def test_a_reference_is_no_secret() -> None:
    shown = unified("/f", "", '"TOKEN": "file:/x"\n"A_TOKEN": "${T}"\n')
    assert '+"TOKEN": "file:/x"' in shown
    assert '+"A_TOKEN": "${T}"' in shown


def test_words_of_a_command_are_masked_on_one_line_and_on_many() -> None:
    one = unified("/f", "", '"args": ["--token", "hunter2", "--port", "80"]\n')
    assert one.endswith('+"args": ["--token", "[redacted]", "--port", "80"]')
    many = unified(
        "/f", "", '"args": [\n  "--token",\n  "hunter2",\n  "x"\n]\nargs = ["--api-key=hunter2"]\n'
    )
    assert "hunter2" not in many
    assert '+  "x"' in many


def test_toml_and_urls_are_masked() -> None:
    shown = unified("/f", "", 'password = "hunter2"\nurl = "https://h/?token=hunter2"\n')
    assert "hunter2" not in shown


def test_nothing_changed_is_nothing_shown() -> None:
    assert unified("/f", "a\n", "a\n") == ""


def test_nothing_of_a_file_moves_the_cursor() -> None:
    text = unified("/f", "", "# \x1b[2J\n\ta\n")
    assert "\x1b" not in text
    assert text.endswith("+# \\x1b[2J\n+\ta")
