"""Every exception that crosses a package border: a stable code, a message that says what to do, details.

Raised everywhere; turned into MCP results in one place only (`callmux.rings.converting`), and into exit
codes in `callmux.cli.main`. Imports nothing of the project.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar


class CallmuxError(Exception):
    """A failure with a stable code.

    Args:
        message: What went wrong and what to do about it. Never a secret.
        details: JSON values by name, in the order they are shown; `None` means absent.
    """

    code: ClassVar[str] = "internal_error"
    exit_code: ClassVar[int] = 1

    def __init__(self, message: str, /, **details: object) -> None:
        super().__init__(message)
        self.message = message
        self.details: Mapping[str, object] = {k: v for k, v in details.items() if v is not None}


class InvalidArguments(CallmuxError):
    """Input of a meta-tool that cannot be used; `details.field` names the place."""

    code = "invalid_arguments"


class ToolNotFound(CallmuxError):
    """A tool name that leads nowhere."""

    code = "tool_not_found"


class ToolResolutionFailed(CallmuxError):
    """A tool name that is ambiguous, hidden, or comes with an unknown server."""

    code = "tool_resolution_failed"


class ArgumentResolutionFailed(CallmuxError):
    """A file or text reference in the arguments that does not work; nothing was sent."""

    code = "argument_resolution_failed"


class RecipeNotFound(CallmuxError):
    """A recipe that the configuration does not have."""

    code = "recipe_not_found"


class ToolRemoved(CallmuxError):
    """A tool that its server had before it reconnected or changed its list, and has no more."""

    code = "tool_removed_after_reconnect"


class ServerNotFound(CallmuxError):
    """A `server` argument that names no server."""

    code = "server_not_found"


class ServerDisabled(CallmuxError):
    """A call to a server that the configuration disables."""

    code = "server_disabled"


class UpstreamUnavailable(CallmuxError):
    """The server is down: nothing was sent to it."""

    code = "downstream_unavailable"


class SignInRequired(CallmuxError):
    """The server wants a person to sign in; nothing was done.

    Attributes:
        invitation: What a client that opens addresses shows its person; None where there is none.
    """

    code = "sign_in_needed"
    invitation: Mapping[str, object] | None = None


class ToolCallFailed(CallmuxError):
    """The server, or the way to it, failed the call.

    Attributes:
        rpc: The raw `error` member, where the server itself answered with a JSON-RPC error.
    """

    code = "tool_call_failed"
    rpc: bytes | None = None


class CallGivenUp(CallmuxError):
    """A call that a person gave up while it ran; what its server has done of it is not known."""

    code = "call_given_up"


class ApprovalDenied(CallmuxError):
    """A call that a person was asked about and refused; nothing was sent."""

    code = "approval_denied"


class ApprovalTimeout(CallmuxError):
    """A call that a person was asked about, and nobody answered in time; nothing was sent."""

    code = "approval_timeout"


class ApprovalUnavailable(CallmuxError):
    """A call that needs a person's word, where nobody can be asked or the question is void; nothing was
    sent."""

    code = "approval_unavailable"


class SessionCwdUnresolved(CallmuxError):
    """The server wants to know the directory of the client, and nothing tells it."""

    code = "session_cwd_unresolved"


class SessionCwdRefused(CallmuxError):
    """A client of another machine named a directory that it may not work in."""

    code = "session_cwd_refused"


class ScopedClientCapacity(CallmuxError):
    """As many connections for single directories or credentials as there may be, and none is idle."""

    code = "scoped_client_capacity"


class AuthorizationDenied(CallmuxError):
    """Rules, or a profile, keep this from this client; `details.code` says in which way."""

    code = "authorization_denied"


class ResultNotFound(CallmuxError):
    """A kept result that is not there, or is somebody else's: the two look the same."""

    code = "result_not_found"


class ResultPathNotFound(CallmuxError):
    """A path that leads to nothing in a kept result."""

    code = "result_path_not_found"


class ResultUnreadable(CallmuxError):
    """A kept result that cannot be read in the way that is asked for."""

    code = "result_unreadable"


class OutcomeUnknown(CallmuxError):
    """A request whose node was lost while it worked on it; it may have been done."""

    code = "outcome_unknown"


class StoreUnavailable(CallmuxError):
    """A store outside this process that does not answer."""

    code = "store_unavailable"


class ConfigError(CallmuxError):
    """A configuration that cannot be used.

    Args:
        problems: One sentence a problem, each starting with the key path it is about.
    """

    code = "invalid_config"

    def __init__(self, problems: list[str]) -> None:
        super().__init__("; ".join(problems), issues=problems)
        self.problems = problems


class ConfigMissing(CallmuxError):
    """A configuration file that is not there."""

    code = "config_missing"


class StartupFailed(CallmuxError):
    """With `strictStartup`, a server that could not be started."""

    code = "startup_failed"


class UsageError(CallmuxError):
    """A command line that cannot be understood."""

    code = "usage"


class NotSupported(CallmuxError):
    """Something that cannot be done on this system."""

    code = "not_supported"


class SecretError(CallmuxError):
    """An `env:` or `file:` reference that gives no value. The message never holds a value."""

    code = "secret_unresolved"
