"""Which headers of a request may go on to servers, where one of them is the credential that let it in. Pure.

Called by `callmux.transport.http.listener`. Whether a token of an issuer may go to a server after all is for
`callmux.rings.scopes`, which knows the servers.
"""

from __future__ import annotations

from collections.abc import Mapping

from callmux.guard.grant import Grant

HEADER = "authorization"


def allowed(headers: Mapping[str, str], shown: str, grant: Grant) -> dict[str, str]:
    """Those of `headers` that do not hold the credential; its own header stays where it says for whom it is.

    Args:
        shown: The header with the credential, as it came.
        grant: What it gives here.
    """
    secret = shown.split(None, 1)[-1].strip()
    return {
        name: value
        for name, value in headers.items()
        if (bool(grant.audiences) if name == HEADER else secret not in value)
    }
