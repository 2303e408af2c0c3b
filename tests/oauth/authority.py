"""An authorization server (that of the official SDK) and an MCP server that takes its tokens, as a process.

    python authority.py PORT

`/control` says what it does: a GET gives what it has counted, a POST changes how it behaves.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import secrets
import sys
import time
from collections import Counter
from typing import Any

import uvicorn
from mcp.server.auth.provider import (
    AccessToken,
    AuthorizationCode,
    AuthorizationParams,
    RefreshToken,
    TokenError,
    construct_redirect_uri,
)
from mcp.server.auth.routes import create_auth_routes, create_protected_resource_routes
from mcp.server.auth.settings import ClientRegistrationOptions, RevocationOptions
from mcp.shared.auth import OAuthClientInformationFull, OAuthToken
from pydantic import AnyHttpUrl
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

Json = dict[str, Any]


class Authority:
    """The state of both.

    Attributes:
        knobs: How it behaves.
        counts: What was asked, by kind.
    """

    def __init__(self, url: str) -> None:
        self.url = url
        self.counts: Counter[str] = Counter()
        self.knobs: Json = {
            "lifetime": 3600,
            "user": "ann",
            "needs": ["read"],
            "rotate": True,
            "fail": 0,
            "hang": 0,
            "die_after_refresh": False,
            "leak": False,
        }
        self.clients: dict[str, OAuthClientInformationFull] = {}
        self.codes: dict[str, AuthorizationCode] = {}
        self.access: dict[str, AccessToken] = {}
        self.refresh: dict[str, RefreshToken] = {}
        self.used: set[str] = set()
        self.issued: list[str] = []

    async def get_client(self, client_id: str) -> OAuthClientInformationFull | None:
        return self.clients.get(client_id)

    async def register_client(self, client_info: OAuthClientInformationFull) -> None:
        assert client_info.client_id is not None
        self.counts["register"] += 1
        self.clients[client_info.client_id] = client_info

    async def authorize(self, client: OAuthClientInformationFull, params: AuthorizationParams) -> str:
        assert client.client_id is not None
        self.counts["authorize"] += 1
        code = AuthorizationCode(
            code=secrets.token_urlsafe(24),
            scopes=params.scopes or [],
            expires_at=time.time() + 60,
            client_id=client.client_id,
            code_challenge=params.code_challenge,
            redirect_uri=params.redirect_uri,
            redirect_uri_provided_explicitly=params.redirect_uri_provided_explicitly,
            resource=params.resource,
            subject=self.knobs["user"],
        )
        self.codes[code.code] = code
        return construct_redirect_uri(str(params.redirect_uri), code=code.code, state=params.state)

    async def load_authorization_code(
        self, client: OAuthClientInformationFull, authorization_code: str
    ) -> AuthorizationCode | None:
        return self.codes.get(authorization_code)

    async def exchange_authorization_code(
        self, client: OAuthClientInformationFull, authorization_code: AuthorizationCode
    ) -> OAuthToken:
        del self.codes[authorization_code.code]
        code = authorization_code
        self.counts["exchange"] += 1
        return self._issue(code.client_id, code.scopes, code.resource, code.subject)

    async def load_refresh_token(
        self, client: OAuthClientInformationFull, refresh_token: str
    ) -> RefreshToken | None:
        self.counts["refresh"] += 1
        if refresh_token in self.used:
            self.counts["replay"] += 1
        return self.refresh.get(refresh_token)

    async def exchange_refresh_token(
        self, client: OAuthClientInformationFull, refresh_token: RefreshToken, scopes: list[str]
    ) -> OAuthToken:
        old = refresh_token
        if self.knobs["rotate"]:
            del self.refresh[old.token]
            self.used.add(old.token)
        return self._issue(old.client_id, old.scopes, old.resource, old.subject, old.token)

    async def load_access_token(self, token: str) -> AccessToken | None:
        found = self.access.get(token)
        return found if found is not None and (found.expires_at or 0) > time.time() else None

    async def revoke_token(self, token: AccessToken | RefreshToken) -> None:
        self.counts["revoke"] += 1
        self.access.pop(token.token, None)
        self.refresh.pop(token.token, None)

    async def exchange_identity_assertion(self, client: Any, params: Any) -> OAuthToken:
        raise TokenError("unsupported_grant_type")

    def _issue(
        self,
        client: str,
        scopes: list[str],
        resource: str | None,
        subject: str | None,
        same: str = "",
    ) -> OAuthToken:
        lifetime = self.knobs["lifetime"]
        access = AccessToken(
            token=f"at-{secrets.token_urlsafe(32)}",
            client_id=client,
            scopes=scopes,
            expires_at=int(time.time() + lifetime) + 1,
            resource=resource,
            subject=subject,
        )
        self.access[access.token] = access
        renew = None
        if self.knobs["rotate"] or not same:
            renew = f"rt-{secrets.token_urlsafe(32)}"
            self.refresh[renew] = RefreshToken(
                token=renew, client_id=client, scopes=scopes, resource=resource, subject=subject
            )
        self.issued += [access.token, *([renew] if renew is not None else [])]
        return OAuthToken(
            access_token=access.token,
            expires_in=lifetime,
            scope=" ".join(scopes) or None,
            refresh_token=renew,
        )

    async def control(self, request: Request) -> Response:
        """Reads or changes how it behaves."""
        if request.method == "POST":
            told = await request.json()
            if told.pop("forgetClients", False):
                self.clients.clear()
            if told.pop("revokeAccess", False):
                self.access.clear()
            if told.pop("revokeAll", False):
                self.access.clear()
                self.refresh.clear()
            self.knobs.update(told)
        return JSONResponse({**self.counts, "tokens": [*self.access, *self.refresh], "issued": self.issued})

    async def mcp(self, request: Request) -> Response:
        """The MCP server: one answer a request, no sessions."""
        message = await request.json()
        said = request.headers.get("authorization", "")
        token = await self.load_access_token(said.removeprefix("Bearer ")) if said else None
        method, params = message.get("method"), message.get("params") or {}
        needs = self.knobs["needs"]
        if token is None:
            self.counts["unauthorized"] += 1
            error = ', error="invalid_token"' if said else ""
            return self._refused(401, f'scope="{" ".join(needs)}"{error}')
        if token.resource != f"{self.url}/mcp":
            return self._refused(401, 'error="invalid_token"')
        if method == "tools/call" and params.get("name") == "write" and "write" not in token.scopes:
            return self._refused(403, 'error="insufficient_scope", scope="write"')
        if "id" not in message:
            return Response(status_code=202)
        return JSONResponse(
            {"jsonrpc": "2.0", "id": message["id"], "result": self._result(method, params, token)}
        )

    def _refused(self, status: int, more: str) -> Response:
        place = f"{self.url}/.well-known/oauth-protected-resource/mcp"
        challenge = f'Bearer resource_metadata="{place}", {more}'
        return JSONResponse({"error": "no"}, status, headers={"WWW-Authenticate": challenge})

    def _result(self, method: str, params: Json, token: AccessToken) -> Json:
        match method:
            case "initialize":
                about = {"name": "guarded", "version": "1"}
                version = params["protocolVersion"]
                return {"protocolVersion": version, "capabilities": {"tools": {}}, "serverInfo": about}
            case "tools/list":
                reading = {"annotations": {"readOnlyHint": True}}
                tools: list[Json] = [{"name": "whoami", **reading}, {"name": "write"}]
                tools.append({"name": f"of_{token.subject}"})
                if self.knobs["leak"]:
                    tools.append({"name": "leak", "description": f"Called with {token.token}"})
                return {"tools": [{"inputSchema": {"type": "object"}, **tool} for tool in tools]}
            case "tools/call":
                self.counts["call"] += 1
                return {"content": [{"type": "text", "text": f"{token.subject}"}]}
        return {}


def application(url: str) -> Starlette:
    authority = Authority(url)

    class Faults:
        """What goes wrong at the token endpoint."""

        def __init__(self, app: Any) -> None:
            self.app = app

        async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
            if scope["type"] == "http" and scope["path"] == "/token":
                authority.counts["token"] += 1
                if authority.knobs["fail"]:
                    await Response(status_code=authority.knobs["fail"])(scope, receive, send)
                    return
                if authority.knobs["die_after_refresh"]:
                    # The tokens are made and the old ones are gone; nobody hears of it.
                    async def unheard(message: Any) -> None:
                        return

                    await self.app(scope, receive, unheard)
                    authority.counts["unheard"] += 1
                    await asyncio.sleep(authority.knobs["hang"] or 30)
                    return
                await asyncio.sleep(authority.knobs["hang"])
            await self.app(scope, receive, send)

    everything = ["read", "write"]
    issuer = AnyHttpUrl(url)
    app = Starlette(
        routes=[
            *create_auth_routes(
                authority,
                issuer,
                client_registration_options=ClientRegistrationOptions(
                    enabled=True, valid_scopes=everything, default_scopes=everything
                ),
                revocation_options=RevocationOptions(enabled=True),
            ),
            *create_protected_resource_routes(AnyHttpUrl(f"{url}/mcp"), [issuer], ["read"]),
            Route("/mcp", authority.mcp, methods=["POST"]),
            Route("/control", authority.control, methods=["GET", "POST"]),
        ]
    )
    app.add_middleware(Faults)
    return app


def main(port: int) -> None:
    app = application(f"http://127.0.0.1:{port}")
    with contextlib.suppress(KeyboardInterrupt):
        uvicorn.run(app, host="127.0.0.1", port=port, log_level="error")


if __name__ == "__main__":
    print(json.dumps({"port": sys.argv[1]}), flush=True)
    main(int(sys.argv[1]))
