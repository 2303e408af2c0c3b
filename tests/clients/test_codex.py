"""Our entry in Codex's file: nothing else moves."""

from __future__ import annotations

import tomllib

import pytest

from callmux.clients import codex
from callmux.clients.entry import ClientFileError, Entry

ENTRY = Entry(command="callmux", args=("--config", "/x y"))
OTHER = '# mine\nmodel = "x"   # why\n\n[tui]\ntheme = "dark"\n'


def test_the_block_is_marked_and_the_rest_stays() -> None:
    text = codex.with_entry(OTHER, "callmux", ENTRY)
    assert text == (
        OTHER + '\n# BEGIN CALLMUX MANAGED callmux\n[mcp_servers.callmux]\ncommand = "callmux"\n'
        'args = ["--config","/x y"]\n# END CALLMUX MANAGED callmux\n'
    )
    assert codex.is_managed(text, "callmux")
    assert codex.fits(codex.read_servers(text)["callmux"], ENTRY)
    assert codex.with_entry(text, "callmux", ENTRY) == text
    assert codex.without_entry(text, "callmux") == OTHER


def test_several_entries_live_side_by_side() -> None:
    both = codex.with_entry(codex.with_entry("", "callmux", ENTRY), "mux", Entry(url="http://h/mcp"))
    assert set(codex.read_servers(both)) == {"callmux", "mux"}
    assert set(codex.read_servers(codex.without_entry(both, "callmux"))) == {"mux"}


def test_what_the_user_put_into_our_block_stays() -> None:
    """Codex itself writes approvals of tools below an entry."""
    text = codex.with_entry(OTHER, "callmux", ENTRY).replace(
        "# END", 'startup_timeout_sec = 60 # slow\n\n[mcp_servers.callmux.env]\nA = "b"\n# END'
    )
    new = codex.with_entry(text, "callmux", Entry(url="http://h/mcp", token_env="T"))
    assert codex.read_servers(new)["callmux"] == {
        "url": "http://h/mcp",
        "bearer_token_env_var": "T",
        "startup_timeout_sec": 60,
        "env": {"A": "b"},
    }
    assert "# slow" in new


def test_a_foreign_table_between_our_markers_survives() -> None:
    """Codex adds servers behind the last one, which may be inside of our markers."""
    text = codex.with_entry(OTHER, "callmux", ENTRY).replace(
        "# END", '\n[mcp_servers.theirs]\ncommand = "t"\n# END'
    )
    new = codex.with_entry(text, "callmux", Entry(command="callmux"))
    assert codex.read_servers(new) == {
        "callmux": {"command": "callmux", "args": []},
        "theirs": {"command": "t"},
    }
    assert codex.read_servers(codex.without_entry(text, "callmux")) == {"theirs": {"command": "t"}}


@pytest.mark.parametrize(
    "text",
    [
        '[mcp_servers.callmux]\ncommand = "mine"\n',
        '[mcp_servers."callmux"]\ncommand = "mine"\n',
        '[ mcp_servers . callmux ]\ncommand = "mine"\n',
        'mcp_servers = { callmux = { command = "mine" } }\n',
        'mcp_servers.callmux.command = "mine"\n',
        '[mcp_servers]\ncallmux = { command = "mine" }\n',
    ],
)
def test_an_unmanaged_entry_is_found_however_it_is_written(text: str) -> None:
    """The original reads lines, misses these and writes a second table, after which the file is broken.

    Weak spot C8 of callmux (npm).
    """
    with pytest.raises(ClientFileError, match="unmanaged"):
        codex.with_entry(text, "callmux", ENTRY)
    with pytest.raises(ClientFileError, match="refusing to remove"):
        codex.without_entry(text, "callmux")


def test_a_block_with_windows_line_ends_is_ours() -> None:
    """In the original it can be neither changed nor removed. Weak spot C8 of callmux (npm)."""
    text = codex.with_entry(OTHER, "callmux", ENTRY).replace("\n", "\r\n")
    assert codex.is_managed(text, "callmux")
    new = codex.with_entry(text, "callmux", Entry(command="callmux"))
    assert new.count("\n") == new.count("\r\n")
    assert codex.without_entry(text, "callmux") == OTHER.replace("\n", "\r\n")
    assert codex.with_entry("a = 1\r\n", "callmux", ENTRY).count("\r\n") == 7


@pytest.mark.parametrize("text", ["a = ", "[mcp_servers", "mcp_servers = 5"])
def test_a_file_that_cannot_be_understood_is_left_alone(text: str) -> None:
    with pytest.raises(ClientFileError):
        codex.with_entry(text, "callmux", ENTRY)


def test_a_block_without_its_end_is_ours() -> None:
    text = '# BEGIN CALLMUX MANAGED callmux\n[mcp_servers.callmux]\ncommand = "callmux"\n'
    assert "--config" in codex.with_entry(text, "callmux", ENTRY)
    assert codex.without_entry(text, "callmux").strip() == ""


def test_an_empty_block_is_filled_and_removed() -> None:
    text = "# BEGIN CALLMUX MANAGED callmux\n# END CALLMUX MANAGED callmux\n"
    assert codex.read_servers(codex.with_entry(text, "callmux", ENTRY)) == {
        "callmux": {"command": "callmux", "args": ["--config", "/x y"]}
    }
    assert codex.without_entry(text, "callmux") == ""
    assert codex.without_entry(OTHER, "callmux") == OTHER


def test_servers_are_taken_out_with_their_sub_tables_and_comments_of_others_stay() -> None:
    text = (
        '# head\n[mcp_servers.a]\ncommand = "a"\n[mcp_servers.a.env]\nK = "v"\n\n# about b\n[mcp_servers.b]\n'
        'command = "b"\n\n[tui]\nx = 1\n'
    )
    new = codex.without_servers(text, ["a", "missing"])
    assert tomllib.loads(new) == {"mcp_servers": {"b": {"command": "b"}}, "tui": {"x": 1}}
    assert tomllib.loads(codex.without_servers(new, ["b"])) == {"tui": {"x": 1}}


def test_a_command_is_replaced_in_place() -> None:
    text = '[mcp_servers.mux] # mine\ncommand = "npx"\nargs = ["-y", "callmux"]\nstartup_timeout_sec = 9\n'
    assert codex.with_command(text, "mux", "callmux", []) == (
        '[mcp_servers.mux] # mine\ncommand = "callmux"\nargs = []\nstartup_timeout_sec = 9\n'
    )


def test_entries_are_read_with_everything_codex_knows() -> None:
    entry = codex.read_entry(
        {
            "command": "c",
            "args": ["a"],
            "env": {"A": "b"},
            "env_vars": ["HERE"],
            "cwd": "/w",
            "tool_timeout_sec": 1.5,
            "enabled_tools": ["t"],
            "enabled": False,
        }
    )
    assert entry == Entry(
        command="c",
        args=("a",),
        env={"A": "b", "HERE": "${HERE:-}"},
        cwd="/w",
        timeout_ms=1500,
        tools=("t",),
        disabled=True,
    )
    remote = codex.read_entry(
        {"url": "u", "bearer_token_env_var": "T", "http_headers": {"X": "1"}, "env_http_headers": {"Y": "V"}}
    )
    assert remote == Entry(url="u", token_env="T", headers={"X": "1"}, env_headers={"Y": "V"})
    for raw in (None, {}, {"command": 1}, {"command": "c", "args": [1]}):
        with pytest.raises(ClientFileError):
            codex.read_entry(raw)


REWRITTEN = (
    '[mcp_servers.callmux]\ncommand = "callmux"\n\n[mcp_servers.later]\ncommand = "l"\n'
    "# END CALLMUX MANAGED callmux\n"
)
"""What is left of our block when Codex has added a server: as seen with Codex 0.169."""


def test_an_entry_is_ours_after_codex_wrote_its_file() -> None:
    """It drops the first mark and empty lists, and moves the second mark to the end."""
    assert codex.is_managed(REWRITTEN, "callmux")
    assert codex.fits(codex.read_servers(REWRITTEN)["callmux"], Entry(command="callmux"))
    assert codex.with_entry(REWRITTEN, "callmux", Entry(command="callmux")) == REWRITTEN
    assert codex.read_servers(codex.with_entry(REWRITTEN, "callmux", ENTRY)) == {
        "callmux": {"command": "callmux", "args": ["--config", "/x y"]},
        "later": {"command": "l"},
    }
    gone = codex.without_entry(REWRITTEN, "callmux")
    assert gone.strip() == '[mcp_servers.later]\ncommand = "l"'


def test_an_entry_without_any_mark_is_ours_where_that_is_known() -> None:
    bare = '[mcp_servers.callmux]\nurl = "http://h/mcp"\n'
    assert codex.read_servers(codex.with_entry(bare, "callmux", ENTRY, known=True))["callmux"] == {
        "command": "callmux",
        "args": ["--config", "/x y"],
    }
    assert codex.without_entry(bare, "callmux", known=True).strip() == ""


@pytest.mark.parametrize(
    "text",
    [
        'mcp_servers = { a = { command = "x" }, b = { command = "y" } } # mine\n[other]\nk = 1\n',
        'mcp_servers = {a = {command = "x"}}\n',
        "mcp_servers = {}\n",
        'mcp_servers.a = { command = "x" }\nmodel = "m"\n',
        'mcp_servers.a.command = "x"\r\nmodel = "m"\r\n',
        'model = "m"\n[mcp_servers]\na = { command = "x" }\n[other]\nk = 1\n',
        "mcp_servers = { a = {command = 'x', args = [\n  'y', # why\n] } }\n",
    ],
)
def test_inline_tables_take_our_entry_and_give_it_back(text: str) -> None:
    """All of them are valid for Codex."""
    entry = Entry(command="callmux", args=("bridge",))
    new = codex.with_entry(text, "callmux", entry)
    before, after = tomllib.loads(text), tomllib.loads(new)
    ours = after["mcp_servers"].pop("callmux")
    assert ours == {"command": "callmux", "args": ["bridge"]}
    assert after == before
    assert codex.is_managed(new, "callmux")
    assert codex.with_entry(new, "callmux", entry) == new
    other = codex.with_entry(new, "callmux", Entry(command="other"))
    assert tomllib.loads(other)["mcp_servers"]["callmux"]["command"] == "other"
    assert tomllib.loads(codex.without_entry(new, "callmux")).get("mcp_servers", {}) == before["mcp_servers"]
    if "a" in before["mcp_servers"]:
        gone = tomllib.loads(codex.without_servers(new, ["a"]))
        assert set(gone["mcp_servers"]) == {*before["mcp_servers"], "callmux"} - {"a"}


def test_a_byte_order_mark_stays_in_front() -> None:
    text = '\ufeff[mcp_servers.git]\ncommand = "g"\n\n[mcp_servers.x]\ncommand = "x"\n'
    new = codex.without_servers(text, ["git"])
    assert new.startswith("\ufeff")
    assert codex.read_servers(new) == {"x": {"command": "x"}}


def test_markers_in_a_text_of_another_server_are_no_markers() -> None:
    """Some servers have notes on how callmux is set up."""
    begin, end = "# BEGIN CALLMUX MANAGED callmux\n", "# END CALLMUX MANAGED callmux\n"
    for note in ("as the documents say\n", '[mcp_servers.callmux]\ncommand = "x"\n'):
        text = f'[mcp_servers.a]\ncommand = "a"\nnote = """\n{begin}{note}{end}"""\n'
        with pytest.raises(ClientFileError, match="edit it by hand"):
            codex.with_entry(text, "callmux", ENTRY)


def test_a_section_in_quotes_is_left_to_people() -> None:
    with pytest.raises(ClientFileError, match="in a way that is not understood"):
        codex.with_entry('"mcp_servers" = { a = { command = "x" } }\n', "callmux", ENTRY)


@pytest.mark.parametrize("levels", [200, 50_000])
def test_a_file_that_is_nested_too_deep_is_refused(levels: int) -> None:
    with pytest.raises(ClientFileError, match="nested deeper than"):
        codex.read_servers(f"a = {'[' * levels}{']' * levels}")


def test_what_is_no_table_is_not_our_entry() -> None:
    assert not codex.fits("callmux", ENTRY)
    assert not codex.fits(None, ENTRY)


def test_our_own_entry_is_taken_out_with_its_markers() -> None:
    text = codex.with_entry(OTHER, "callmux", ENTRY)
    assert codex.without_servers(text, ["callmux"]) == OTHER


@pytest.mark.parametrize(
    ("text", "gap"),
    [("", ""), ("x = 1\n", "\n"), ("x = 1", "\n\n"), ("x = 1\r\n", "\r\n")],
)
def test_a_table_moves_from_one_text_to_the_end_of_another(text: str, gap: str) -> None:
    table = '[mcp_servers.a] # mine\ncommand = "a" # why\n[mcp_servers.a.env]\nK = "v"\n'
    other = f'\ufeff# head\n{table}[mcp_servers.b]\ncommand = "b"\n'
    wanted = table.replace("\n", "\r\n") if "\r\n" in text else table
    assert codex.with_table_of(text, other, "a") == f"{text}{gap}{wanted}"


def test_a_table_that_is_missing_or_has_no_place_moves_nowhere() -> None:
    with pytest.raises(ClientFileError, match=r'cannot be edited: .*"a" does not exist'):
        codex.with_table_of("", '[mcp_servers.b]\ncommand = "b"\n', "a")
    with pytest.raises(ClientFileError, match="invalid TOML"):
        codex.with_table_of("mcp_servers = {}\n", '[mcp_servers.a]\ncommand = "a"\n', "a")


def test_a_command_of_an_entry_that_is_not_there_cannot_be_replaced() -> None:
    with pytest.raises(ClientFileError, match=r'cannot be edited: .*"mcp_servers" does not exist'):
        codex.with_command("x = 1\n", "mux", "callmux", [])
