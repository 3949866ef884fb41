"""Every command in the documentation is run, page by page, as a reader would type it."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.acceptance.stack import free_port

ROOT = Path(__file__).parents[2]
PAGES = sorted(path.relative_to(ROOT).as_posix() for path in (ROOT / "docs").rglob("*.md"))
BLOCK = re.compile(r"^```bash( background)?\n(.*?)^```$", re.MULTILINE | re.DOTALL)
SHELL_FENCES = re.compile(r"^```(sh|shell|console|zsh)\b", re.MULTILINE)
NOT_COPIED = shutil.ignore_patterns(".git", ".venv", "__pycache__", ".*_cache", ".hypothesis")


def script_of(text: str) -> str:
    """The commands of a page as one script; what runs in another terminal runs in the background."""
    parts = [
        "set -euo pipefail",
        "trap 'kill $(jobs -p) 2>/dev/null || true; opsconductor down >/dev/null' EXIT",
    ]
    for background, commands in BLOCK.findall(text):
        parts.append(f"( exec {commands.strip()} ) &" if background else commands)
    return "\n".join(parts)


def pages_with_commands() -> list[str]:
    """The pages that have something to run."""
    return [page for page in PAGES if BLOCK.search((ROOT / page).read_text())]


def test_shell_blocks_are_marked_bash() -> None:
    """A block of commands under another name would escape being run."""
    others = [page for page in [*PAGES, "README.md"] if SHELL_FENCES.search((ROOT / page).read_text())]
    assert others == []


@pytest.mark.timeout(900)
@pytest.mark.xdist_group("stack")
@pytest.mark.parametrize("page", pages_with_commands())
def test_commands_of_page_run(page: str, tmp_path: Path) -> None:
    """The commands of a page, typed one after the other in a fresh copy of the project, all succeed."""
    folder = tmp_path / "project"
    shutil.copytree(ROOT, folder, ignore=NOT_COPIED)
    environment = {
        key: value for key, value in os.environ.items() if not key.startswith(("PREFECT_", "OPSCONDUCTOR_"))
    }
    environment |= {
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        "OPSCONDUCTOR_HOME": str(tmp_path / "home"),
        "OPSCONDUCTOR_PORT": str(free_port()),
        "PREFECT_HOME": str(tmp_path / "prefect"),
    }
    run = subprocess.run(
        ["bash", "-c", script_of((ROOT / page).read_text())],
        cwd=folder,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    assert run.returncode == 0, run.stdout[-4000:]


def test_links_lead_somewhere() -> None:
    """A relative link of the documentation names a file that exists."""
    broken = [
        f"{page}: {link}"
        for page in [*PAGES, "README.md", "CHANGELOG.md"]
        for link in re.findall(r"\]\((?!https?:|#)([^)#\s]+)", (ROOT / page).read_text())
        if not (ROOT / page).parent.joinpath(link).exists()
    ]
    assert broken == []
