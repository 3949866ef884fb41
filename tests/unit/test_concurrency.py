"""Which runs share slots, and what Prefect's names for them are."""

import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from celery_bridge.errors import SettingsError
from codegen.concurrency import Claim, claim_of
from codegen.document import load, parse
from codegen.errors import DocumentError, ParameterError
from flows.configuration import concurrency_lease

SAFE = re.compile(r"[a-z0-9_:-]{1,100}")
STEPS = [{"id": "a", "type": "set", "values": {"v": 1}}]


def claim(concurrency: dict[str, Any], name: str = "Deploy", **params: Any) -> Claim:
    parameters = {key: {"type": "string"} for key in params}
    document = parse({"name": name, "parameters": parameters, "steps": STEPS, "concurrency": concurrency})
    found = claim_of(document, params, ["localhost"], "some-run")
    assert found is not None
    return found


def test_a_document_without_concurrency_claims_nothing() -> None:
    assert claim_of(parse({"name": "x", "steps": STEPS}), {}, (), "some-run") is None


def test_every_version_of_a_document_shares_its_slots() -> None:
    """Its name counts, not its content."""
    assert claim({"limit": 1}).id == claim({"limit": 3}).id
    assert claim({}).id != claim({}, name="deploy").id


def test_the_values_of_a_run_are_in_its_key() -> None:
    first = claim({"key": "db-{{ params.host }}"}, host="one")
    assert first.shown == "db-one"
    assert first.id != claim({"key": "db-{{ params.host }}"}, host="two").id
    assert first.id == claim({"key": "db-one"}, name="Another document").id
    assert claim({"key": "{{ name }} {{ targets[0] }} {{ run.id }}"}).shown == "Deploy localhost some-run"
    assert claim({"key": "{{ targets }}"}).shown == '["localhost"]'


def test_a_key_is_no_document() -> None:
    """A document named like another's key shares nothing with it."""
    assert claim({"key": "Deploy"}).id != claim({}, name="Deploy").id


@pytest.mark.parametrize(("host", "message"), [("", "is empty"), ("x", "")])
def test_a_key_without_a_value_is_refused(host: str, message: str) -> None:
    key = "{{ params.host }}" if message else "{{ 1 // (params.host | length - 1) }}"
    with pytest.raises(ParameterError, match=f"concurrency.key: .*{message}"):
        claim({"key": key}, host=host)


@given(st.text(min_size=1).filter(str.strip), st.text(min_size=1).filter(str.strip))
def test_names_are_safe_and_tell_keys_apart(one: str, other: str) -> None:
    """Whatever a key says, Prefect takes its names, also as a part of an address."""
    first, second = claim({"key": "{{ params.p }}"}, p=one), claim({"key": "{{ params.p }}"}, p=other)
    for name in (first.limit_name, first.tag, first.waiting_tag):
        assert SAFE.fullmatch(name)
    assert (first.id == second.id) == (one == other)


def test_a_run_has_one_of_the_tags_at_a_time() -> None:
    """Also one that is run again, which has those of its first time."""
    one = claim({})
    waiting = one.tagged({"mine", one.tag}, one.waiting_tag)
    assert waiting == {"mine", one.waiting_tag}
    assert one.tagged(waiting, one.tag) == {"mine", one.tag}
    assert one.tagged(waiting, None) == {"mine"}


@pytest.mark.parametrize(
    ("concurrency", "path"),
    [
        ("{key: '{{ steps.a.status }}'}", "concurrency.key"),
        ("{key: '{{ target }}'}", "concurrency.key"),
        ("{key: '{{ params.p }}'}", "concurrency.key"),
        ("{limit: 0}", "concurrency.limit"),
        ("{on_conflict: fail}", "concurrency.on_conflict"),
    ],
)
def test_what_can_not_be_is_refused_before_the_run(concurrency: str, path: str) -> None:
    text = f"name: x\nsteps: [{{id: a, type: set, values: {{v: 1}}}}]\nconcurrency: {concurrency}\n"
    with pytest.raises(DocumentError) as refusal:
        load(text)
    assert [problem.path for problem in refusal.value.problems] == [path]


def test_a_lease_is_as_long_as_prefect_takes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OPSCONDUCTOR_CONCURRENCY_LEASE", raising=False)
    assert concurrency_lease() == 120
    monkeypatch.setenv("OPSCONDUCTOR_CONCURRENCY_LEASE", "60")
    assert concurrency_lease() == 60
    for wrong in ("59", "x", "nan", "90000"):
        monkeypatch.setenv("OPSCONDUCTOR_CONCURRENCY_LEASE", wrong)
        with pytest.raises(SettingsError, match="from 60 to 86400"):
            concurrency_lease()
