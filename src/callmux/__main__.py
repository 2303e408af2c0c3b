"""`python -m callmux`."""

import sys

from callmux.cli.main import main

if __name__ == "__main__":
    code = main()
    # A Ctrl-C that comes up through an `exec` of text, as a dataclass runs when it is made, has `python -m`
    # end by SIGINT, although somebody has caught it. The next such `exec` makes Python forget it.
    exec("")
    sys.exit(code)
