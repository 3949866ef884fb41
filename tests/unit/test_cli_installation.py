"""How `status` shows an installation."""

import os
from pathlib import Path

import pytest

from cli.failures import Exit
from cli.installation import overview
from control.home import Home, Installation, ServiceRecord
from control.processes import birth

URL = "http://127.0.0.1:4321"


def test_services_whose_supervisor_was_killed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """They run on, so it isn't said that nothing runs but what to do about them."""
    monkeypatch.setenv("OPSCONDUCTOR_HOME", str(tmp_path))
    pid = os.getpid()
    left = ServiceRecord(name="broker", state="running", pid=pid, birth=birth(pid), log=tmp_path / "log")
    Home(tmp_path).save(
        Installation(
            prefect_api_url=f"{URL}/api",
            prefect_ui_url=URL,
            prefect_embedded=True,
            broker_url="redis://127.0.0.1/0",
            result_backend="redis://127.0.0.1/0",
            broker_embedded=True,
            services=(left,),
            phase="ready",
        )
    )
    assert overview(as_json=False) == Exit.UNREACHABLE
    shown = capsys.readouterr().out
    assert "orphaned" in shown
    assert "`opsconductor up` starts them anew" in shown
    assert "Nothing runs" not in shown
