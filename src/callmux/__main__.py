"""`python -m callmux`."""

import sys

from callmux.cli.main import main

if __name__ == "__main__":
    sys.exit(main())
