"""What an installation uses while nothing is to be done: percent of one core, service by service.

Run: `python -m benchmarks.bench_idle [seconds]`. Starts an installation in a temporary folder and stops it.
Goal: broker and worker together under 1 %.
"""

import os
import sys
import tempfile
import time
from pathlib import Path

from benchmarks.usage import cpu_seconds, family, machine
from control.home import Home
from control.options import Options
from control.supervisor import check, down, up

SETTLES_WITHIN = 20.0


def processes(home: Home) -> dict[str, list[int]]:
    """The processes of each service, and the one that supervises them."""
    supervisor = int(home.lock_file.read_text().split()[0])
    services = {service.name: family(service.pid) for service in check(home) if service.pid is not None}
    return {"supervisor": [supervisor], **services}


def shares(watched: dict[str, list[int]], seconds: float) -> dict[str, float]:
    """Percent of a core that each uses in so many seconds from now."""
    begun, before = time.monotonic(), {name: cpu_seconds(pids) for name, pids in watched.items()}
    time.sleep(seconds)
    took = time.monotonic() - begun
    return {name: (cpu_seconds(pids) - before[name]) / took * 100 for name, pids in watched.items()}


def main() -> None:
    """Start, wait, measure, print, stop."""
    seconds = float(sys.argv[1]) if len(sys.argv) > 1 else 60.0
    with tempfile.TemporaryDirectory() as folder:
        os.environ["OPSCONDUCTOR_HOME"] = folder
        home = Home(Path(folder))
        up(home, port=None, options=Options(), on_progress=lambda _: None)
        try:
            time.sleep(SETTLES_WITHIN)
            watched = processes(home)
            used = shares(watched, seconds)
        finally:
            down(home)
    print(f"{seconds:.0f} s on {machine()}")
    for name, share in used.items():
        print(f"{name:<12} {len(watched[name]):>2} processes {share:>6.2f} %")
    print(f"broker and worker: {used['broker'] + used['worker']:.2f} % (goal: under 1)")


if __name__ == "__main__":
    main()
