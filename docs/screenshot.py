"""The picture in the README: a routed run in the Prefect UI. Run by `make screenshot`; needs chromium.

Runs an example against a home of its own, opens the run in a headless browser, and writes
docs/images/run.png.
"""

import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from playwright.sync_api import Page, sync_playwright

ROOT = Path(__file__).parents[1]
PICTURE = ROOT / "docs" / "images" / "run.png"
COMMAND = Path(sys.executable).with_name("opsconductor")


def main() -> None:
    """Take the picture."""
    with tempfile.TemporaryDirectory() as home:
        environment = os.environ | {"OPSCONDUCTOR_HOME": home}
        try:
            address = routed_run(environment)
            PICTURE.parent.mkdir(exist_ok=True)
            photograph(address)
        finally:
            subprocess.run([COMMAND, "down"], env=environment, check=True)


def routed_run(environment: dict[str, str]) -> str:
    """Run the incident triage and return the address of its run in the UI."""
    finished = subprocess.run(
        [COMMAND, "run", "examples/incident_triage.yaml", "--json"],
        cwd=ROOT,
        env=environment,
        check=True,
        stdout=subprocess.PIPE,
        text=True,
    )
    status = subprocess.run(
        [COMMAND, "status", "--json"], env=environment, check=True, stdout=subprocess.PIPE, text=True
    )
    ui = json.loads(status.stdout)["prefect_ui_url"]
    return f"{ui}/runs/flow-run/{json.loads(finished.stdout)['execution_id']}"


def photograph(address: str) -> None:
    """Open the run, wait for its graph, and save what is seen."""
    chromium = shutil.which("chromium") or shutil.which("google-chrome")
    if chromium is None:
        raise SystemExit("no chromium on PATH; install it, on Debian by `apt-get install chromium`")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": 1400, "height": 820})
        page.goto(address)
        page.get_by_text("Artifacts").first.wait_for()
        settle(page)
        page.screenshot(path=PICTURE)
        browser.close()


def settle(page: Page) -> None:
    """Wait until the graph has drawn itself; it says nothing when it has."""
    page.wait_for_timeout(8000)
    page.get_by_text("Artifacts").first.click()
    page.wait_for_timeout(2000)


if __name__ == "__main__":
    main()
