"""What came of a trial, as a page for people."""

from __future__ import annotations

import argparse
import os
import platform
from collections.abc import Mapping
from datetime import UTC, datetime
from importlib.metadata import version

from redis import Redis

from tests.chaos.faults import Stage
from tests.chaos.trial import AT_ONCE, LONGEST, Trial

CHECKED = (
    f"Each run has an end, at most {LONGEST:.0f} s after it was begun, all tries of it included.",
    "By what steps left on disk: one that is not idempotent did its work at most once before it was undone.",
    "A step that is told to have succeeded left its effect; a failed run undid its steps, or says which not.",
    "After the report of a cancelled run nothing more was done.",
)


def page(asked: argparse.Namespace, stage: Stage, trial: Trial) -> str:
    """The page: where, how, what was done to it, what became of the runs, and the verdict."""
    command = f"python -m tests.chaos --runs {asked.runs} --seed {asked.seed} --every {asked.every:g}"
    command += f" --broker {asked.broker}" if asked.broker != "redis" else ""
    command += f' --only "{asked.only}"' if asked.only else ""
    parts = [
        f"# Chaos: {asked.runs:,} runs",
        "What became of workflows on Celery while what they run on was killed, cut off, stopped and filled. "
        "What is promised: [What happens when something dies](../reference/faults.md).",
        f"`{command}`, on {datetime.now(UTC):%d %B %Y}: two workers of four processes each, {AT_ONCE} runs "
        "at a time, five steps each. Of the steps some 40 % must not begin twice, of the runs 30 % are to "
        f"fail and 15 % are cancelled. {_machine(stage)}",
        f"**{_verdict(trial)}** It took {trial.seconds:,.0f} s; the slowest run {trial.slowest:.0f} s.",
        "## What was checked\n\n" + "\n".join(f"- {one}" for one in CHECKED),
        "## What was done\n\n" + _table("fault", stage.faults),
        "## What became of the runs\n\n" + _table("end", trial.ends),
        "A run that was given up was tried again, as a person would; at most six times:\n\n"
        + _table("error", trial.given_up),
    ]
    return "\n\n".join(parts) + "\n"


def _verdict(trial: Trial) -> str:
    if trial.broken:
        return f"{trial.broken} promises were broken."
    if trial.left:
        return f"No promise was broken, but {trial.left} runs had no end when time was up."
    return "No promise was broken."


def _machine(stage: Stage) -> str:
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    with Redis.from_url(stage.redis.url, decode_responses=True) as redis:
        server = redis.info("server")
    name = server.get("server_name", "redis")
    return (
        f"The machine: {os.cpu_count()} processors, {memory:.0f} GiB, shared with other work; Python "
        f"{platform.python_version()}, Celery {version('celery')}, {name} "
        f"{server.get('valkey_version', server['redis_version'])}."
    )


def _table(what: str, counted: Mapping[str, int]) -> str:
    if not counted:
        return "None."
    rows = [f"| {name} | {number:,} |" for name, number in sorted(counted.items(), key=lambda one: -one[1])]
    return "\n".join([f"| {what} | times |", "| --- | ---: |", *rows])
