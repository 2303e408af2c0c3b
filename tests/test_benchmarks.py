"""The benchmark runs and reports every figure. No test asserts a time."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

STDIO = Path(__file__).parent.parent / "benchmarks" / "stdio.py"


def test_the_stdio_benchmark_reports_every_figure(tmp_path: Path) -> None:
    out = tmp_path / "figures.json"
    ours = f"{sys.executable} -m callmux"
    subprocess.run(
        [sys.executable, str(STDIO), "--rounds", "1", "--calls", "5", "--against", ours, "--json", str(out)],
        check=True,
        timeout=120,
    )
    row = json.loads(out.read_text("utf-8"))["row"]
    assert list(row) == ["direct", "callmux", "other"]
    for figures in row.values():
        assert figures.keys() == {"p50_us", "added_us", "per_s", "mb", "start_ms"}
        assert figures["per_s"] > 0
