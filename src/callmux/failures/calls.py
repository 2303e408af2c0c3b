"""What can become of a tool call, or of another request to a server: the error codes. Pure."""

from __future__ import annotations

from callmux.failures.terms import Actor, KnownFailure, Repeat

FAILURES = (
    KnownFailure(
        "invalid_arguments",
        "the input of a callmux tool cannot be used",
        "A member is missing, has another type, or contradicts another one; `details.field` names its place.",
        Repeat.NO,
        Actor.AGENT,
        "correct the member that details.field names; callmux_dry_run tries a call without running it",
        "callmux_dry_run",
    ),
    KnownFailure(
        "tool_not_found",
        "no server has a tool of this name",
        "The name is misspelt, or the server that has the tool is not configured here.",
        Repeat.NO,
        Actor.AGENT,
        "look for the tool by what it does, then use the name as it is listed",
        "callmux_search_tools",
    ),
    KnownFailure(
        "tool_resolution_failed",
        "the name of a tool does not lead to one tool that may be called",
        "Several servers have a tool of this name; or the `server` beside it is unknown; or the "
        "configuration "
        "hides the tool (`tools`, `denyTools`); or only the page of an app may call it.",
        Repeat.NO,
        Actor.AGENT,
        "use one of the names that the message gives, or name the server; a hidden tool is shown by changing "
        "`tools` or `denyTools` of its server",
        "callmux_search_tools",
    ),
    KnownFailure(
        "tool_removed_after_reconnect",
        "the server had this tool and has it no more",
        "The server was updated or restarted with other tools; `details.currentTools` names those it has.",
        Repeat.NO,
        Actor.AGENT,
        "use one of details.currentTools",
    ),
    KnownFailure(
        "argument_resolution_failed",
        "a file or text reference in the arguments leads nowhere",
        "The file does not exist, cannot be read, is too large, or lies outside the allowed roots. Nothing "
        "was sent.",
        Repeat.NO,
        Actor.AGENT,
        "correct the reference, or write the value itself; callmux_dry_run shows what would be sent",
        "callmux_dry_run",
    ),
    KnownFailure(
        "recipe_not_found",
        "the configuration has no recipe of this name",
        "The name is misspelt, or the recipe was taken out.",
        Repeat.NO,
        Actor.AGENT,
        "use one of details.availableRecipes",
        "callmux_status",
    ),
    KnownFailure(
        "server_not_found",
        "there is no server of this name",
        "The name is misspelt, or the server is in another configuration.",
        Repeat.NO,
        Actor.AGENT,
        "use one of details.availableServers, or add the server",
        "callmux server list",
    ),
    KnownFailure(
        "server_disabled",
        "the configuration switches this server off",
        "Its entry says `disabled: true`, set by hand, by setup, or by `callmux server disable`.",
        Repeat.NO,
        Actor.USER,
        "switch the server on",
        "callmux server enable {server}",
    ),
    KnownFailure(
        "downstream_unavailable",
        "the server is not connected, so nothing was sent to it",
        "Its program could not be started or has ended, or its address does not answer: `details.lastError` "
        "says why. callmux tries again by itself, or with the first call after that where the server starts "
        "only for calls; `details.nextRetryAt` says when.",
        Repeat.LATER,
        Actor.USER,
        "read details.lastError and mend that; then try the server by itself",
        "callmux server test {server}",
    ),
    KnownFailure(
        "sign_in_needed",
        "the server wants a person to sign in, or to allow it more",
        "Nobody has signed in to the server yet, or the sign-in was taken back or has ended, or it does not "
        "cover what the call wants: `details.rootCause` says which. Nothing was done. A sign-in in any "
        "terminal of this user is seen within a second or two.",
        Repeat.NO,
        Actor.USER,
        "sign in in a terminal, then make the call again",
        "callmux login {server}",
    ),
    KnownFailure(
        "tool_call_failed",
        "the server, or the way to it, failed the call",
        "`details.category` says which kind of failure it was, and the explanations of "
        "tool_call_failed.timeout, "
        ".protocol, .session, .authorization, .transport and .unknown say more.",
        Repeat.IF_SAFE,
        Actor.AGENT,
        "read the message; details.safeToRetry says whether the same call may be made again",
    ),
    KnownFailure(
        "tool_call_failed.timeout",
        "the server did not answer in time",
        "The call takes longer than `timeoutMs` of the call, `callTimeoutMs` of the server, or "
        "`callTimeoutMs` "
        "of the configuration; or the server hangs.",
        Repeat.IF_SAFE,
        Actor.AGENT,
        "give the call more time with timeoutMs, or ask for less; find out first whether the earlier attempt "
        "has had its effect",
    ),
    KnownFailure(
        "tool_call_failed.protocol",
        "the server answered with something that is not MCP",
        "A program that prints other text on its standard output, or an address of another kind of service.",
        Repeat.IF_SAFE,
        Actor.AUTHOR,
        "try the server by itself and read what it printed",
        "callmux server test {server}",
    ),
    KnownFailure(
        "tool_call_failed.session",
        "the server has forgotten the session",
        "The remote server was restarted. callmux opens a new session and repeats the call once where that "
        "is "
        "safe.",
        Repeat.IF_SAFE,
        Actor.AGENT,
        "make the call again where details.safeToRetry is true",
    ),
    KnownFailure(
        "tool_call_failed.authorization",
        "the server refuses the credentials that callmux has for it",
        "The token in `headers` or `env` is missing, wrong, or has expired.",
        Repeat.NO,
        Actor.USER,
        "give the server a new token, in its `headers`, `env` or `envRefs`",
        "callmux server test {server}",
    ),
    KnownFailure(
        "tool_call_failed.transport",
        "the connection to the server broke during the call",
        "The program ended, or the network failed, before the answer was complete. callmux connects again by "
        "itself, and repeats a call once where that is safe.",
        Repeat.IF_SAFE,
        Actor.AGENT,
        "make the call again where details.safeToRetry is true; else find out first whether it has had its "
        "effect",
    ),
    KnownFailure(
        "tool_call_failed.unknown",
        "the server itself refused the call with an error of the protocol",
        "The message is the server's own.",
        Repeat.NO,
        Actor.AGENT,
        "do what the server's message says",
    ),
    KnownFailure(
        "authorization_denied",
        "rules, or a profile, keep this from the client",
        "`details.code` says in which way, `details.ruleId` by which rule of `authorization` or `profiles`. "
        "Nothing was sent. The line `denied` of the audit log says which tier the tool has: that is what its "
        "server says of it, unless `tiers` of the server says otherwise.",
        Repeat.NO,
        Actor.ADMINISTRATOR,
        "use what callmux_search_tools finds, or have the rules changed by whoever keeps them",
    ),
    KnownFailure(
        "call_given_up",
        "a person gave the call up while it ran",
        "Somebody who may do so cancelled it at the dashboard. What its server has done of it is not known.",
        Repeat.NO,
        Actor.AGENT,
        "ask the person what to do instead; look at what was done before the call is made again",
    ),
    KnownFailure(
        "approval_denied",
        "a person was asked about the call and refused it",
        "`approve` in the configuration names the tool. Nothing was sent.",
        Repeat.NO,
        Actor.AGENT,
        "ask the person what to do instead, and do not try the same in another way",
    ),
    KnownFailure(
        "approval_timeout",
        "a person was asked about the call, and nobody answered in time",
        "Nobody looked at the question within `approvalTimeoutMs`. Nothing was sent.",
        Repeat.NO,
        Actor.USER,
        "be ready to answer, then have the agent call again: in the form that the client shows, or in a "
        "terminal",
        "callmux approve",
    ),
    KnownFailure(
        "approval_unavailable",
        "the call needs a person's approval, and nobody can be asked, or the question is void",
        "A command in a script has nobody to ask; or the configuration, the server, the tool or callmux "
        "itself changed while the call waited; or too many calls wait. Nothing was sent.",
        Repeat.YES,
        Actor.USER,
        "run commands in a terminal, and have the agent call again where the question was void",
    ),
    KnownFailure(
        "session_cwd_unresolved",
        "the server works in the directory of its client, and nothing says which that is",
        "The server has `requireSessionCwd`, and the client gave neither MCP roots, nor a header, nor a "
        "`cwd` "
        "with the call. Nothing was sent.",
        Repeat.NO,
        Actor.AGENT,
        "name an absolute directory with the call, as `_meta.callmux.cwd` or as the argument cwd of a "
        "callmux "
        "tool",
    ),
    KnownFailure(
        "session_cwd_refused",
        "a client named a directory of the listener's machine in which it may not work",
        "`sessionCwdRoots` names the directories that are allowed, and this one is in none of them. The "
        "bridge names the directory of its client with every request.",
        Repeat.NO,
        Actor.ADMINISTRATOR,
        "work in an allowed directory, or have this one added to `sessionCwdRoots`; a server that needs no "
        'directory works for everybody with `"cwdMode": "global"`',
    ),
    KnownFailure(
        "scoped_client_capacity",
        "all connections for single directories, credentials or clients are busy",
        "More of them are needed at once than `maxScopedClients` (or `maxScopedClientsPerServer`) allows.",
        Repeat.LATER,
        Actor.ADMINISTRATOR,
        "call again when one is idle, or raise {setting}",
    ),
    KnownFailure(
        "result_not_found",
        "the shortened result is not kept any more",
        "It was replaced by newer ones, callmux was restarted, it belongs to somebody else, or another "
        "listener has it and it is too large to be shared.",
        Repeat.NO,
        Actor.AGENT,
        "call the tool again for a new one",
    ),
    KnownFailure(
        "result_path_not_found",
        "a path leads to nothing in a kept result",
        "A member is misspelt, or an index is beyond the end.",
        Repeat.NO,
        Actor.AGENT,
        "read the result without a path first: its shape names what is there",
        "callmux_get_result",
    ),
    KnownFailure(
        "result_unreadable",
        "a kept result cannot be read in the way that is asked for",
        "It is too large or too deep to be searched, or its text is no JSON.",
        Repeat.NO,
        Actor.AGENT,
        "read it by offset, without search and path",
        "callmux_get_result",
    ),
    KnownFailure(
        "outcome_unknown",
        "the node that worked on the call was lost, and nobody knows whether the call was made",
        "One of several listeners that are one ended, or lost its connections, in the middle of the call. "
        "The tool does not say that it is safe to repeat.",
        Repeat.NO,
        Actor.AGENT,
        "look whether the call had its effect; make it again only where it had none",
    ),
    KnownFailure(
        "store_unavailable",
        "a store beside callmux does not answer",
        "Kept results or the cache are on another machine, which is down, slow or cut off. Calls go on "
        "without it.",
        Repeat.LATER,
        Actor.ADMINISTRATOR,
        "ask again in a moment; the log of callmux says why the store cannot be reached",
    ),
    KnownFailure(
        "secret_unresolved",
        "a reference to a secret gives no value",
        "The variable of `env:NAME` is not set, the file of `file:PATH` is not there or not readable, "
        "nothing is kept under the name of `keyring:NAME`, the command of `cmd:COMMAND` fails or takes too "
        "long; or the value is empty.",
        Repeat.NO,
        Actor.USER,
        "set the variable, or write the file, that the message names",
    ),
    KnownFailure(
        "internal_error",
        "something failed inside callmux itself",
        "A defect of callmux. Other calls are not affected.",
        Repeat.IF_SAFE,
        Actor.USER,
        "report it, with the lines that callmux printed at that time",
    ),
    KnownFailure(
        "bridge_upstream_unavailable",
        "the bridge does not reach its listener",
        "The listener is not running, is being restarted, or the connection broke; `details.executionState` "
        "says whether the call may have been made. The bridge connects again by itself.",
        Repeat.IF_SAFE,
        Actor.USER,
        "start the listener, then make the call again where details.safeToRetry is true",
        "callmux doctor --url {url}",
    ),
    KnownFailure(
        "bridge_tool_call_failed",
        "the listener refused the bridge's request",
        "The token is missing or wrong, or the address is not that of a listener.",
        Repeat.NO,
        Actor.USER,
        "give the bridge a token (CALLMUX_TOKEN, --token-file), or correct its --url",
        "callmux doctor --url {url}",
    ),
)
