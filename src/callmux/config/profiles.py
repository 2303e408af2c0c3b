"""Profiles: named parts of what callmux offers. Pure.

Read through `callmux.config.model`; used by `callmux.guard.profiles`.
"""

from __future__ import annotations

from callmux.config import kinds
from callmux.config.section import Section
from callmux.config.security import Rule


class Profile(Section, frozen=True, kw_only=True):
    """A part of what there is, for certain work or certain people. It only ever takes away; `persona` says
    what of the rest its clients are listed.

    Attributes:
        description: What it is for.
        servers: The servers it has, by key or pattern with `*`; all where absent, none where empty.
        tools: The tools it has, by any of their names or by patterns; all of its servers' where absent.
        rules: What holds in it beside `authorization`, in the same form.
        default_effect: What happens in it to what no rule of `rules` fits.
        principals: Who gets it, such as `bearer:ci`. They get no other, and nobody else can choose it.
        directories: Absolute directories: who works in one of them, or below, gets it.
        persona: What its clients are listed, in place of the global `persona`.
    """

    description: kinds.Text | None = None
    servers: tuple[kinds.Text, ...] | None = None
    tools: tuple[kinds.Text, ...] | None = None
    rules: tuple[Rule, ...] = ()
    default_effect: kinds.Effect = "allow"
    principals: tuple[kinds.Text, ...] | None = None
    directories: tuple[kinds.AbsolutePath, ...] = ()
    persona: kinds.Persona | None = None
