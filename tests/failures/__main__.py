"""`python -m tests.failures` writes into docs/trials.md how many failures are provoked, and which are not."""

from __future__ import annotations

from tests.failures.test_registry import TRIALS, with_counts

TRIALS.write_text(with_counts(TRIALS.read_text("utf-8")), "utf-8")
