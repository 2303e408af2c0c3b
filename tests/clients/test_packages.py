"""Which package a command runs."""

from __future__ import annotations

import pytest

from callmux.clients.packages import Packaged, packaged, program_of

MEMORY = "@modelcontextprotocol/server-memory"


@pytest.mark.parametrize(
    "line",
    [
        f"npx {MEMORY} a",
        f"npx -y {MEMORY}@2026.8.31 a",
        f"npx --yes -- {MEMORY} a",
        f"npx -p {MEMORY}@latest mcp-server-memory a",
        f"npx --package={MEMORY} mcp-server-memory a",
        f"npx -y --registry https://r.example {MEMORY} a",
        f"npx -y {MEMORY} -- a",
        f"pnpx {MEMORY} a",
        f"bunx {MEMORY} a",
        f"bun x {MEMORY} a",
        f"pnpm dlx {MEMORY} a",
        f"yarn dlx {MEMORY} a",
        f"npm exec -- {MEMORY} a",
        f"cmd /c npx -y {MEMORY} a",
        f"cmd.exe /C npx.cmd -y {MEMORY} a",
        f"env A=b npx -y {MEMORY} a",
        f"/usr/bin/env -S npx -y {MEMORY} a",
        f"/opt/node/bin/npx -y {MEMORY} a",
        f"node /x/node_modules/{MEMORY}/dist/index.js a",
        f"/usr/bin/node --no-warnings /x/node_modules/{MEMORY}/dist/index.js a",
        f"C:\\x\\node_modules\\{MEMORY.replace('/', chr(92))}\\dist\\index.js a",
    ],
)
def test_a_package_of_npm_is_found_behind_all_that_runs_it(line: str) -> None:
    command, *args = line.split()
    assert packaged(command, args) == Packaged(MEMORY, ("a",))


@pytest.mark.parametrize(
    "line",
    [
        "uvx mcp-server-git a",
        "uvx mcp-server-git==1.2 a",
        "uvx mcp-server-git@latest a",
        "uvx mcp_server_git[extra]>=1 a",
        "uvx --from mcp-server-git git-server a",
        "uvx --python 3.12 mcp-server-git a",
        "uv tool run mcp-server-git a",
        "uv x mcp-server-git a",
        "pipx run --spec mcp-server-git git-server a",
        "python -m mcp_server_git a",
        "/usr/bin/python3.12 -I -m mcp_server_git.server a",
        "python /venv/lib/python3.12/site-packages/mcp_server_git/__main__.py a",
        "/home/a/.local/bin/mcp-server-git a",
        "mcp-server-git.exe a",
    ],
)
def test_a_package_of_pypi_is_spelled_with_dashes(line: str) -> None:
    command, *args = line.split()
    assert packaged(command, args) == Packaged("mcp-server-git", ("a",))


@pytest.mark.parametrize(
    "line",
    [
        "docker run -i --rm mcp/memory a",
        "docker run --rm -i -v data:/data -e TOKEN mcp/memory:latest a",
        "podman run -it --mount=type=bind,src=/a,dst=/b docker.io/mcp/memory@sha256:00ff a",
        "docker run --rm -i --no-healthcheck --pull always mcp/memory a",
        "docker --context far container run -i --rm -- mcp/memory a",
        "sudo -n docker run -i --rm mcp/memory a",
        "C:\\Docker\\docker.exe run -i --rm mcp/memory a",
    ],
)
def test_an_image_is_found_behind_the_flags_of_docker(line: str) -> None:
    command, *args = line.split()
    assert packaged(command, args) == Packaged("mcp/memory", ("a",))


@pytest.mark.parametrize(
    ("line", "found"),
    [
        ("node server.js --x", Packaged("server.js", ("--x",))),
        ("node /x/node_modules/.bin/thing a", Packaged("/x/node_modules/.bin/thing", ("a",))),
        ("node --version", Packaged("node", ("--version",))),
        ("python -c pass -m x", Packaged("pass", ("-m", "x"))),
        ("python -m", Packaged("python", ("-m",))),
        ("npm run start", Packaged("npm", ("run", "start"))),
        ("npx", Packaged("", ())),
        ("npx -p", Packaged("", ())),
        ("docker run -i", Packaged("", ())),
        ("docker run --of-tomorrow mcp/memory a", Packaged("", ())),
        ("docker compose up", Packaged("docker", ("compose", "up"))),
        ("./srv a", Packaged("srv", ("a",))),
        ("cmd", Packaged("cmd", ())),
    ],
)
def test_what_is_no_package_is_its_program_or_script(line: str, found: Packaged) -> None:
    command, *args = line.split()
    assert packaged(command, args) == found


def test_programs_have_their_names_on_every_system() -> None:
    assert [program_of(name) for name in ("/usr/bin/Npx", "C:\\a\\NPX.CMD", "uv")] == ["npx", "npx", "uv"]
