"""What others wait for a large result: the benchmark runs and reports it. No test asserts a time."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

SHIELD = Path(__file__).parents[3] / "benchmarks" / "shield.py"


def test_the_benchmark_reports_the_worst_delays(tmp_path: Path) -> None:
    """That the work is done elsewhere, and in pieces, is shown in `test_shelf` and `test_helper`."""
    out = tmp_path / "figures.json"
    subprocess.run(
        [
            sys.executable,
            str(SHIELD),
            "--megabytes",
            "2",
            "--rounds",
            "1",
            "--fan-out",
            "2",
            "--pages",
            "2",
            "--json",
            str(out),
        ],
        check=True,
        timeout=120,
    )
    figures = json.loads(out.read_text("utf-8"))
    worst = {"shielding_worst_ms", "paging_worst_ms", "fan_out_worst_ms"}
    assert figures.keys() >= {"usual_ms", "shield_ms", "1mb_ms", *worst}
    assert all(value > 0 for value in figures.values())
