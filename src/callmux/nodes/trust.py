"""What nodes show each other over TLS, and by what they check it.

Made by `callmux.serving.clustering` where `state.node` has `tls`: the port for nodes shows the certificate,
`callmux.nodes.passing` checks those of others. Who asks need not show one: each request is signed.
"""

from __future__ import annotations

import ssl
from pathlib import Path

from callmux.config.node import NodeTls
from callmux.tasks import TaskSet
from callmux.transport.http.certificates import Certificates, CertificateUnusable, Pair


class Trust:
    """The certificate of one node, and those that it checks others by.

    Args:
        config: The section that says where they are.
        base_dir: What relative paths start from.

    Attributes:
        shown: What connections from other nodes are opened with.
        checked_by: What connections to other nodes are opened with.

    Raises:
        CertificateUnusable: One of the files cannot be used.
    """

    def __init__(self, config: NodeTls, base_dir: Path) -> None:
        self._certificates = Certificates(Pair(base_dir / config.cert_file, base_dir / config.key_file))
        self._tasks = TaskSet("the certificate of this node")
        self.shown = self._certificates.context
        self.checked_by = _checking(None if config.ca_file is None else base_dir / config.ca_file)

    def start(self) -> None:
        """Shows a new certificate as soon as it is there."""
        self._tasks.spawn(self._certificates.keep_fresh())

    async def close(self) -> None:
        """Looks for none any more."""
        await self._tasks.cancel()


def _checking(ca_file: Path | None) -> ssl.SSLContext:
    try:
        context = ssl.create_default_context(cafile=ca_file)
    except (ssl.SSLError, OSError) as error:
        raise CertificateUnusable(f"{ca_file} cannot be used as state.node.tls.caFile: {error}") from None
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    return context
