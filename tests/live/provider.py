"""The identity provider of `test_provider`, as a program: the mock of PyPI, but its tokens name their key and
its access tokens are JSON Web Tokens, as with real providers."""

from __future__ import annotations

import json
import sys
from typing import Any

import flask
from oidc_provider_mock import _app as provider
from oidc_provider_mock.__main__ import run

plain = provider.OpenIDCode.get_jwt_config


def with_key_id(self: Any, grant: Any, client: Any = None) -> dict[str, Any]:
    return {**plain(self, grant, client), "kid": provider.storage.jwk.as_dict()["kid"]}


provider.OpenIDCode.get_jwt_config = with_key_id


def with_token_of_ours(response: flask.Response) -> flask.Response:
    if flask.request.path == "/oauth2/token" and response.status_code == 200:
        found = json.loads(response.get_data())
        response.set_data(json.dumps({**found, "access_token": found["id_token"]}))
    return response


provider.blueprint.after_request(with_token_of_ours)
run(["--port", sys.argv[1]])
