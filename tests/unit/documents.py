"""Documents that tests read, and the problems they find in them."""

import json
from typing import Any

import pytest

from codegen.document import load
from codegen.errors import DocumentError, Problem

FULL = """\
name: Free disk space
type: system_maintenance
description: Clear old logs where a disk is filling up.
tags: [disk, nightly]
metadata: {owner: ops, "a b": [1, 2.5, null, true]}
parameters:
  threshold: {type: integer, default: 80, minimum: 1, maximum: 100, description: Percent}
  path: {type: string, default: /var/log, pattern: "/[a-z/]+"}
targets: [localhost, web.localhost]
steps:
  - id: usage
    type: command
    on: targets
    command: df --output=pcent {{ params.path }} | tail -1
    retry: {attempts: 3, delay: 2s, backoff: 2, max_delay: 30s, jitter: true}
    timeout: 30s
    outputs:
      percent: "{{ result.stdout | trim | replace('%', '') | int }}"
  - id: clean
    type: script
    on: targets
    when: steps.usage.items[index].outputs.percent > params.threshold
    language: bash
    script: |
      find {{ params.path }} -name '*.gz' -mtime +7 -delete
      echo done
    env: {PORT: 8080}
  - id: probes
    type: parallel
    depends_on: [usage]
    steps:
      - {id: web, type: http, url: "http://localhost/{{ params.threshold }}", json: {a: ["{{ name }}"]}}
      - id: rest
        type: sequential
        steps:
          - {id: one, type: set, values: {a: 1, b: "{{ params.path }}"}}
          - {id: two, type: wait, duration: 1ms}
          - {id: three, type: validation, that: [steps.one.outputs.a == 1]}
  - id: decide
    type: condition
    depends_on: [probes, clean]
    when: steps.one.outputs.a == 1
    then:
      - {id: call, type: python, call: "math:sqrt", args: {x: 2}}
    else:
      - {id: stop, type: stop, message: nothing to do}
  - id: each
    type: notification
    for_each: [a, "{{ params.path }}"]
    max_parallel: 2
    continue_on_error: true
    message: "{{ item }} {{ index }} {{ steps.call.status }}"
on_failure:
  - {id: page, type: notification, message: "{{ name }} failed: {{ error.message }}"}
finally:
  - {id: bye, type: command, command: [echo, 1, "{{ steps.page.status }}"], run_if: finished}
outputs:
  status: "{{ steps.usage.status }}"
engine: {prefer: prefect}
"""


def refused(text: str) -> tuple[Problem, ...]:
    """The problems of a document that is refused."""
    with pytest.raises(DocumentError) as caught:
        load(text, file="flow.yaml")
    return caught.value.problems


def refusal(text: str) -> Problem:
    """The one problem of a document that is refused."""
    problems = refused(text)
    assert len(problems) == 1, "\n".join(map(str, problems))
    return problems[0]


def step(id: str, type: str = "command", **keys: Any) -> dict[str, Any]:
    """A step's data."""
    needed: dict[str, dict[str, Any]] = {
        "command": {"command": "true"},
        "set": {"values": {"a": 1}},
        "condition": {"when": "true"},
    }
    return {"id": id, "type": type, **needed.get(type, {}), **keys}


def document(*steps: dict[str, Any], **keys: Any) -> str:
    """A document's text, one step a line."""
    lines = ",\n".join(json.dumps(one) for one in steps)
    rest = "".join(f',\n"{key}": {json.dumps(value)}' for key, value in keys.items())
    return f'{{"name": "x",\n"steps": [\n{lines}]{rest}}}'
