"""Words that tools and those who look for them use for the same thing. Pure.

Called by `callmux.metatools.scoring`. General English of software, written down once and not tuned to any
catalogue: the verbs of nearly every API, and nouns that have two common names.
"""

from __future__ import annotations

from collections.abc import Mapping

from callmux.metatools.words import stem

GROUPS = """
    get read fetch retrieve obtain load view show display see look open download
    list enumerate browse all every
    create add new make insert generate build compose write start
    delete remove erase drop destroy clear discard purge
    update edit modify change set replace rewrite adjust patch alter rename
    search find query lookup seek locate discover look
    send post publish submit deliver message
    run execute launch perform invoke trigger start
    stop cancel abort end close terminate halt
    move transfer relocate rename
    copy duplicate clone replicate
    save store write keep persist record remember
    compare diff difference
    summarize summary overview
    translate convert transform
    check verify validate test inspect
    count number total sum
    calculate compute
    upload attach
    click press tap
    buy purchase order
    folder directory
    document file
    picture image photo screenshot
    email mail
    repository repo project
    pr pull
    ticket issue bug
    person user people member contact
    remark comment note feedback
    price cost quote
    weather forecast
    website site page url web link
    task todo
    fact observation
    log history
    connection relation link
    info information detail
    table dataset database
    position location place address
"""
"""Each line is a group; a word may stand in several."""


def _by_word() -> Mapping[str, tuple[str, ...]]:
    found: dict[str, dict[str, None]] = {}
    for line in GROUPS.strip().splitlines():
        group = [stem(word) for word in line.split()]
        for word in group:
            found.setdefault(word, {}).update(dict.fromkeys(other for other in group if other != word))
    return {word: tuple(others) for word, others in found.items()}


SYNONYMS = _by_word()
"""Stem -> the stems that may stand for it."""
