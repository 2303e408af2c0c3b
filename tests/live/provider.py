"""The identity provider of `test_provider`, as a program: the mock of PyPI, which leaves out of its tokens by
which of its keys they are signed. Real providers write that."""

from __future__ import annotations

import sys
from typing import Any

from oidc_provider_mock import _app as provider
from oidc_provider_mock.__main__ import run

plain = provider.OpenIDCode.get_jwt_config


def with_key_id(self: Any, grant: Any, client: Any = None) -> dict[str, Any]:
    return {**plain(self, grant, client), "kid": provider.storage.jwk.as_dict()["kid"]}


provider.OpenIDCode.get_jwt_config = with_key_id
run(["--port", sys.argv[1]])
