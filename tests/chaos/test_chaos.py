"""A short, seeded piece of chaos; the long one is `python -m tests.chaos`."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.mark.timeout(600)
def test_what_is_promised_holds_whatever_dies(tmp_path: Path) -> None:
    """No step begins twice that must not, what succeeded left its effect, what failed is undone, all ends."""
    report = tmp_path / "report.md"
    command = [sys.executable, "-m", "tests.chaos", "--runs", "16", "--seed", "11", "--report", str(report)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "16 of 16 runs" in done.stdout
    assert "**No promise was broken.**" in report.read_text(encoding="utf-8")
