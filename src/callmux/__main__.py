"""`python -m callmux`, and the command `callmux`."""

import os
import sys
from io import TextIOWrapper


def main() -> int:
    """Runs the command line of this process. Gives the exit code."""
    if sys.stdin is None or sys.stdout is None or sys.stderr is None:
        _open_standard_streams()
    if not _python_keeps_code():
        from callmux.kept_code import begin

        begin(os.environ)
    from callmux import own_modules

    own_modules.begin()
    from callmux.cli.main import main as run

    return run()


def _open_standard_streams() -> None:
    """Opens those that whoever started us has closed: whatever is opened next would have their numbers."""
    while (descriptor := os.open(os.devnull, os.O_RDWR)) <= 2:
        os.set_inheritable(descriptor, True)
    os.close(descriptor)
    sys.stdin = sys.stdin or os.fdopen(0, encoding="utf-8", closefd=False)
    sys.stdout = sys.stdout or _unread(1)
    sys.stderr = sys.stderr or _unread(2)


def _unread(descriptor: int) -> TextIOWrapper:
    return os.fdopen(descriptor, "w", encoding="utf-8", errors="replace", closefd=False)


def _python_keeps_code() -> bool:
    """Whether Python keeps compiled code beside the source, for callmux and for its own library."""
    if sys.pycache_prefix is not None or sys.dont_write_bytecode:
        return not sys.dont_write_bytecode
    library = os.path.join(os.path.dirname(os.__file__), "asyncio")
    own = os.path.dirname(__file__)
    # It may be another user's who has started callmux before.
    compiled = os.path.join(own, "__pycache__")
    return os.access(compiled if os.path.isdir(compiled) else own, os.W_OK) and (
        os.path.isdir(os.path.join(library, "__pycache__")) or os.access(library, os.W_OK)
    )


if __name__ == "__main__":
    code = main()
    # A Ctrl-C that comes up through an `exec` of text, as a dataclass runs when it is made, has `python -m`
    # end by SIGINT, although somebody has caught it. The next such `exec` makes Python forget it.
    exec("")
    sys.exit(code)
