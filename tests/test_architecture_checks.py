"""Each check of the architecture finds what it is for in a small bad sample, and nothing in the good one."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.architecture import (
    Source,
    booleans_without_whether,
    callers_that_do_not_call,
    circles,
    classes_in_two_places,
    holders_that_are_handed_nothing,
    log_texts,
    names_of_nothing,
    used_by_tests_only,
)

GOOD = {
    "__init__.py": '"""A package."""\n',
    "main.py": '"""The start."""\nfrom callmux.cli import run\n'
    "from callmux.store import Store\nrun(Store())\n",
    "cli/__init__.py": '"""Commands. Called by `callmux.main`."""\nfrom callmux.cli.shown import show\n\n'
    "def run(store):\n    show(store.read())\n",
    "cli/shown.py": '"""Printing, after `callmux.store` and `.main`. Called by `callmux.cli`."""\n\n'
    "def show(text):\n    print(text)\n",
    "store.py": '"""What is kept. Made by `callmux.main`, given to `callmux.cli`."""\n\n'
    "class Store:\n    def read(self):\n        return 1\n",
}


def changed(**files: str) -> Source:
    """The good sample with other texts in these modules; `__` in a name is a folder."""
    return Source(GOOD | {f"{name.replace('__', '/')}.py": text for name, text in files.items()})


def test_the_good_sample_is_read_from_a_folder_and_has_no_faults(tmp_path: Path) -> None:
    for name, text in GOOD.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    source = Source.of_folder(tmp_path)
    assert sorted(source.trees) == ["__init__", "cli", "cli.shown", "main", "store"]
    assert source.imports["main"] == {"cli", "store"}
    assert [circles(source), names_of_nothing(source, {}), callers_that_do_not_call(source)] == [[], [], []]
    assert [holders_that_are_handed_nothing(source), used_by_tests_only(source, {})] == [[], []]
    assert classes_in_two_places(source) == {}


@pytest.mark.parametrize(
    "back",
    [
        "from callmux.main import x",
        "import callmux.main",
        "from callmux import main",
        "def late():\n    from callmux.main import x",
        "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from callmux.main import X",
    ],
)
def test_a_circle_is_found_however_it_is_closed(back: str) -> None:
    assert circles(changed(store=f'"""What is kept."""\n{back}\n')) == [["main", "store"]]


def test_a_circle_over_three_modules_is_one_circle() -> None:
    source = changed(
        a="from callmux.b import x",
        b="from callmux.c import x",
        c="from callmux.a import x\nimport callmux.d",
        d="",
    )
    assert circles(source) == [["a", "b", "c"]]


@pytest.mark.parametrize(
    "name",
    [
        "callmux.stores",
        "callmux.cli.gone",
        "callmux.store.Shop",
        "cli.gone",
        "shown.hidden",
        "cli.shown.nobody",
    ],
)
def test_a_docstring_that_names_nothing_is_found(name: str) -> None:
    source = changed(cli__shown=f'"""Printing.\n\nSee `{name}`.\n"""\n')
    assert names_of_nothing(source, {}) == [f"cli.shown:1 names `{name}`"]
    assert names_of_nothing(source, {name: "the reason"}) == []


def test_a_short_name_stands_beside_the_one_before_it() -> None:
    text = '"""Called by `callmux.cli.shown` and `.{}`."""\n'
    assert names_of_nothing(changed(extra=text.format("gone")), {}) == ["extra:1 names `.gone`"]
    assert names_of_nothing(changed(extra=text.format("shown")), {}) == []


@pytest.mark.parametrize(
    "name", ["http.client", "tools/call", "config.json", ".bak", "Store.read", "x", "callmux"]
)
def test_other_words_between_backquotes_are_left_alone(name: str) -> None:
    assert names_of_nothing(changed(cli__shown=f'"""See `{name}`."""\n'), {}) == []


def test_docstrings_of_functions_and_under_constants_are_read() -> None:
    source = changed(
        extra='"""A."""\nX = 1\n"""See `callmux.no`."""\n\ndef f():\n    """See `callmux.none`."""\n'
    )
    assert names_of_nothing(source, {}) == ["extra:3 names `callmux.no`", "extra:6 names `callmux.none`"]


@pytest.mark.parametrize(
    ("said", "callers"),
    [
        ("Called by `callmux.main`.", ["main"]),
        ("Called by `callmux.main` and `callmux.store`.", ["main", "store"]),
        ("Called by `callmux.main`, which starts, and by `store`, which keeps.", ["main", "store"]),
        ("Made by `callmux.main`;\nused by `callmux.store`.", ["main", "store"]),
        ("It was\ncalled by `callmux.main` with what `callmux.store` has.", ["main"]),
    ],
)
def test_a_caller_that_does_not_import_the_module_is_found(said: str, callers: list[str]) -> None:
    source = changed(extra=f'"""Something.\n\n{said}\n"""\n')
    assert callers_that_do_not_call(source) == [
        f'extra:1 says "by {caller}", which does not import it' for caller in callers
    ]


def test_a_caller_may_import_by_a_name_made_at_run_time() -> None:
    plugin = '"""One of them. Called by `callmux.loader`."""\n'
    loader = (
        '"""Loads."""\nfrom importlib import import_module\n'
        'NAMES = ("{}",)\nimport_module(f"callmux.cli.{{NAMES[0]}}")\n'
    )
    assert callers_that_do_not_call(changed(cli__plugin=plugin, loader=loader.format("plugin"))) == []
    assert callers_that_do_not_call(changed(cli__plugin=plugin, loader=loader.format("other"))) != []


def test_a_holder_that_nobody_can_hand_anything_is_found() -> None:
    text = '"""Something. {} to `callmux.cli.shown`."""\n'
    for word in ("Given", "Handed"):
        source = changed(extra=text.format(word))
        assert holders_that_are_handed_nothing(source) == [
            "extra:1 says that cli.shown is handed it; nobody imports both"
        ]
    wired = '"""Wires."""\nimport callmux.extra\nfrom callmux.cli import shown\n'
    assert holders_that_are_handed_nothing(changed(extra=text.format("Given"), wiring=wired)) == []


@pytest.mark.parametrize(
    ("text", "dead"),
    [
        ("def alone():\n    pass\n", "alone"),
        ("async def alone():\n    await alone()\n", "alone"),
        ("class Alone:\n    pass\n", "Alone"),
        ("LIMIT = 1\n", "LIMIT"),
        ("LIMIT: int = 1\n", "LIMIT"),
        ("class A:\n    def unread(self):\n        return self.unread()\nA()\n", "A.unread"),
        ("class A:\n    @property\n    def unread(self):\n        return 1\nA()\n", "A.unread"),
    ],
)
def test_a_definition_that_nothing_uses_is_found(text: str, dead: str) -> None:
    source = changed(extra=f'"""A."""\n{text}')
    (found,) = used_by_tests_only(source, {})
    assert (found.split(":")[0], found.split()[-1]) == ("extra", dead)
    assert used_by_tests_only(source, {f"extra.{dead.split('.')[0]}": "somebody else"}) == []


def test_a_definition_is_used_by_who_imports_its_module_by_a_name_made_at_run_time() -> None:
    plugin = '"""One of them."""\n\ndef works():\n    pass\n'
    loader = (
        '"""Loads."""\nfrom importlib import import_module\n'
        'NAMES = ("{}",)\nimport_module(f"callmux.cli.{{NAMES[0]}}").works()\n'
    )
    sample = changed(cli__plugin=plugin, loader=loader.format("plugin"))
    assert not [found for found in used_by_tests_only(sample, {}) if found.startswith("cli.plugin")]
    sample = changed(cli__plugin=plugin, loader=loader.format("other"))
    assert [found for found in used_by_tests_only(sample, {}) if found.startswith("cli.plugin")]


def test_a_definition_with_the_name_of_another_module_is_found_all_the_same() -> None:
    """`show` of `cli.shown` is used; that of `extra` is not."""
    (found,) = used_by_tests_only(changed(extra='"""A."""\n\ndef show():\n    pass\n'), {})
    assert found == "extra:3 show"


def test_a_class_name_in_two_modules_is_found() -> None:
    again = '"""A."""\n\nclass Store:\n    pass\n\nclass _Own:\n    pass\n'
    assert classes_in_two_places(changed(extra=again)) == {"Store": ["extra", "store"]}


def test_a_boolean_whose_docstring_does_not_say_whether_is_found() -> None:
    found = booleans_without_whether(
        Source(
            {
                "a.py": '''
def ready() -> bool:
    """It is ready."""

def good(deep: bool) -> bool:
    """Whether it is.

    Args:
        deep: Look deeper.
    """

class Kept:
    """One.

    Attributes:
        fresh: It is new.
        old: Whether it is old.
    """

    fresh: bool
    old: bool
'''
            }
        )
    )
    assert found == ["a:2 ready", "a:5 deep", "a:12 fresh"]


def test_texts_of_the_log_are_found() -> None:
    source = Source({"a.py": 'log.info("went %s", 1)\nlog.error(text)\nother.info("x")\n'})
    assert list(log_texts(source)) == [("a", 1, "went %s")]
