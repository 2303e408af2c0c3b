"""What a change of a file looks like, with secrets hidden. Pure. Called by the commands that change files."""

from __future__ import annotations

import difflib
import re

from callmux.config.redact import MASK, is_secret_key, mask_command
from callmux.text import visible

_TEXT = re.compile(r"""(?:"((?:[^"\\]|\\.)*)"|'([^']*)')(\s*[:=])?""")
_BARE_KEY = re.compile(r"([A-Za-z0-9_-]+)\s*=\s*\Z")
_CONTEXT = 2


def unified(path: str, before: str, after: str) -> str:
    """The difference as `diff -u` has it, without trailing line end; empty where there is none."""
    lines = difflib.unified_diff(
        before.splitlines(), after.splitlines(), f"{path} (now)", f"{path} (then)", n=_CONTEXT, lineterm=""
    )
    shown: list[str] = []
    flag = ""
    for line in lines:
        masked, flag = _masked(line, flag)
        shown.append(masked)
    # Tabs are common in files, and harmless.
    return "\n".join("\t".join(map(visible, line.split("\t"))) for line in shown)


def _masked(line: str, before: str) -> tuple[str, str]:
    """The line with its secrets hidden, and the word that a secret on the next line would belong to."""
    shown: list[str] = []
    at, key = 0, ""
    for match in _TEXT.finditer(line):
        gap = line[at : match.start()]
        at = match.end()
        double, single, sign = match.groups()
        text = double if double is not None else single
        if bare := _BARE_KEY.search(gap):
            key = bare[1]
        shown.append(gap)
        if sign:
            shown.append(match[0])
            key, before = text, ""
            continue
        if text.startswith(("env:", "file:", "${")):
            hidden = text
        elif key and is_secret_key(key) and text:
            hidden = MASK
        else:
            hidden = mask_command([before, text])[1]
        shown.append(match[0].replace(text, hidden) if text else match[0])
        key, before = "", text
    return "".join(shown) + line[at:], before
