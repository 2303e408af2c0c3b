"""Regular expressions that are compiled when they are first needed. Pure.

Called by modules that a start reads in and whose patterns few starts use: to compile one takes Python up to
some milliseconds.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import cache
from typing import AnyStr


def late(pattern: AnyStr, flags: int = 0) -> Callable[[], re.Pattern[AnyStr]]:
    """What gives the compiled pattern.

    Args:
        flags: Those of `re.compile`.
    """
    return cache(lambda: re.compile(pattern, flags))
