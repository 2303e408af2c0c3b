"""Which client plays a scenario of the official conformance suite: for a suite with scenarios of both kinds.

    python driver.py URL

Becomes `client.py` where the scenario is a sign-in, and `modern_client.py` where it is none.
"""

from __future__ import annotations

import os
import sys

HERE = os.path.dirname(os.path.abspath(__file__))


def main(url: str) -> None:
    signs_in = os.environ.get("MCP_CONFORMANCE_SCENARIO", "").startswith("auth/")
    words = ["client.py", "run"] if signs_in else ["modern_client.py"]
    os.execv(sys.executable, [sys.executable, os.path.join(HERE, words[0]), *words[1:], url])


if __name__ == "__main__":
    main(*sys.argv[1:])
