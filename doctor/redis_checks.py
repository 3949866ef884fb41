"""Judges what a Redis or Valkey says, as broker or as result backend. None: there is none to judge."""

from collections.abc import Iterator

from doctor.clocks import judge_clock
from doctor.findings import Finding, doubt, fault, fine
from doctor.redis_server import RedisSeen
from doctor.versions import TESTED

NEARLY_FULL = 0.9


def judge_redis_version(seen: RedisSeen | None) -> Iterator[Finding]:
    """Its version against what we know to work."""
    if seen is not None:
        yield from judge_product(seen.product, seen.version, seen.whose, seen.url)


def judge_product(product: str, version: str, whose: str, url: str) -> Iterator[Finding]:
    """A server's version against the range that we know to work."""
    wanted = TESTED[product]
    evidence = {"url": url, "product": product, "version": version, "tested": str(wanted)}
    named = f"{whose} is {product} {version or 'of an unknown version'}"
    match wanted.place(version):
        case "unusable":
            yield fault(
                named,
                f"it lacks what runs need; {wanted.needed} has it",
                f"use {product} {wanted}",
                **evidence,
            )
        case "old":
            yield doubt(named, "it is older than what we tested", f"use {product} {wanted}", **evidence)
        case "new":
            yield doubt(named, "it is newer than what we tested", f"use {product} {wanted}", **evidence)
        case "tested":
            yield fine(f"{named} and answers", **evidence)


def judge_eviction(seen: RedisSeen | None) -> Iterator[Finding]:
    """It must not throw away queued messages or what is known of runs when its memory is full."""
    if seen is None:
        return
    evidence = {"maxmemory_policy": seen.policy, "maxmemory": seen.most_memory}
    cure = "set `maxmemory-policy noeviction` in its configuration, and by CONFIG SET now"
    what = f"{seen.whose} has the eviction policy {seen.policy}"
    if seen.policy in (None, "noeviction"):
        yield fine(f"{seen.whose} evicts nothing", **evidence)
    elif seen.most_memory:
        cause = "when its memory is full it throws queued workflows and what is known of running ones away"
        yield fault(what, cause, cure, **evidence)
    else:
        yield doubt(what, "harmless only as long as nobody sets a maxmemory", cure, **evidence)


def judge_memory(seen: RedisSeen | None) -> Iterator[Finding]:
    """There is room for more."""
    if seen is None or not seen.most_memory:
        return
    share = seen.memory / seen.most_memory
    evidence = {"used_memory": seen.memory, "maxmemory": seen.most_memory}
    what = f"{seen.whose} uses {share:.0%} of its memory"
    if share >= NEARLY_FULL:
        cause = "when it is full it takes no more workflows, and running ones can't report"
        yield doubt(
            what, cause, "raise maxmemory, or give other uses of it a server of their own", **evidence
        )
    else:
        yield fine(what, **evidence)


def judge_persistence(seen: RedisSeen | None) -> Iterator[Finding]:
    """What it holds must outlive its restart."""
    if seen is None:
        return
    evidence = {"append_only": seen.append_only, "last_write_failed": seen.writes_fail}
    if seen.writes_fail:
        cause = "its disk is full or can't be written; it may refuse all that is to be written"
        yield fault(
            f"{seen.whose} fails to write its data to disk", cause, "look at its log and its disk", **evidence
        )
    elif not seen.append_only:
        yield doubt(
            f"{seen.whose} keeps no append-only file",
            "its restart loses queued workflows and what running ones have done; they may do it again",
            "set `appendonly yes` (managed services call it AOF persistence)",
            **evidence,
        )
    else:
        yield fine(f"{seen.whose} keeps an append-only file", **evidence)


def judge_writing(seen: RedisSeen | None) -> Iterator[Finding]:
    """It takes what runs write."""
    if seen is None:
        return
    if seen.role not in ("master", "primary"):
        cause = f"it is a {seen.role} of another server, which takes nothing"
        yield fault(
            f"{seen.whose} can't be written", cause, "give the address of the primary", role=seen.role
        )
    elif seen.unwritable:
        cure = "give this user the rights on `opsconductor:*` and the queue's keys, or free memory or disk"
        yield fault(f"{seen.whose} refuses what runs write", seen.unwritable, cure, role=seen.role)
    else:
        yield fine(f"{seen.whose} takes what runs write")


def judge_redis_clock(seen: RedisSeen | None) -> Iterator[Finding]:
    """Its clock against ours."""
    if seen is not None:
        yield from judge_clock(seen.clock, seen.whose)
