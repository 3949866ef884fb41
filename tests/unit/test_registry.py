"""The store of generated flows: named by content, checked at every load, harmless to share."""

import json
import multiprocessing
import py_compile
import resource
import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from codegen import registry as module
from codegen.document import parse
from codegen.errors import RegistryError
from codegen.registry import Entry, Registry
from codegen.render import render
from codegen.workflow import Workflow

SOURCE = "MARK = []\n\n\ndef a_flow():\n    return 1\n"


def workflow(name: str = "a flow", **more: Any) -> Workflow:
    return parse({"name": name, "steps": [{"id": "a", "type": "wait", "duration": 0}], **more})


@pytest.fixture
def registry(tmp_path: Path) -> Registry:
    return Registry(tmp_path / "flows" / "generated")


def test_a_stored_flow_is_a_file_named_after_it(registry: Registry) -> None:
    """The file holds the very source; `sha256sum --check` agrees."""
    entry = registry.store(workflow(), SOURCE)
    assert entry.path.read_text(encoding="utf-8") == SOURCE == entry.source
    assert entry.path.name.startswith("a_flow_")
    assert len(entry.path.stem) == len("a_flow_") + 12
    assert entry.module_name == entry.path.stem
    check = subprocess.run(
        ["sha256sum", "--check", entry.path.with_suffix(".sha256").name],
        cwd=entry.path.parent,
        capture_output=True,
        text=True,
    )
    assert check.returncode == 0, check.stderr


def test_a_loaded_flow_is_a_module_like_any_other(registry: Registry) -> None:
    """It knows its file and is found among the modules; a second load gives the same flow."""
    entry = registry.store(workflow(), SOURCE)
    flow = registry.load(entry)
    assert flow() == 1
    imported = sys.modules[entry.module_name]
    assert imported.__file__ == str(entry.path)
    assert flow.__module__ == entry.module_name
    assert registry.load(entry) is flow
    assert not list(entry.path.parent.glob("__pycache__/*"))


def test_a_document_is_rendered_once(registry: Registry) -> None:
    """The second time the file is read, even where the first was stored by another registry."""
    created = registry.get_or_create(workflow())
    assert created.source == render(workflow())
    inode = created.path.stat().st_ino
    again = Registry(created.path.parent).get_or_create(workflow())
    assert again == created
    assert created.path.stat().st_ino == inode


def test_other_documents_and_other_generators_have_other_files(
    registry: Registry, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A stored file is never out of date."""
    first = registry.get_or_create(workflow())
    assert registry.get_or_create(workflow(description="other")).path != first.path
    monkeypatch.setattr(module, "GENERATOR_VERSION", "9.9.9")
    module._generator.cache_clear()
    other = registry.get_or_create(workflow())
    module._generator.cache_clear()
    assert other.path != first.path
    assert first.path.exists()


@pytest.mark.parametrize("change", ["\nimport os\n", ""], ids=["added", "emptied"])
def test_a_changed_file_is_never_run(registry: Registry, change: str) -> None:
    """Neither by its entry nor by its document; the message names the file and the cure."""
    entry = registry.get_or_create(workflow())
    entry.path.write_text(entry.source + change if change else "", encoding="utf-8")
    cure = "is not what was generated, so it is not run; delete it and a_flow_"
    with pytest.raises(RegistryError, match=cure) as refusal:
        registry.load(entry)
    assert str(entry.path) in str(refusal.value)
    with pytest.raises(RegistryError, match=cure):
        registry.get_or_create(workflow())


def test_a_file_changed_after_it_was_loaded_is_not_run_either(registry: Registry) -> None:
    """The file is checked at every load."""
    entry = registry.store(workflow(), SOURCE)
    registry.load(entry)
    entry.path.write_text("raise SystemExit", encoding="utf-8")
    with pytest.raises(RegistryError, match="is not what was generated"):
        registry.load(entry)


def test_cached_bytecode_is_not_trusted(registry: Registry) -> None:
    """What runs is what was checked, whatever lies in `__pycache__`."""
    entry = registry.store(workflow(), SOURCE)
    evil = entry.path.parent / "evil.py"
    evil.write_text(SOURCE.replace("return 1", "return 2"), encoding="utf-8")
    folder = entry.path.parent / "__pycache__"
    cached = folder / f"{entry.path.stem}.{sys.implementation.cache_tag}.pyc"
    unchecked = py_compile.PycInvalidationMode.UNCHECKED_HASH
    py_compile.compile(str(evil), str(cached), invalidation_mode=unchecked)
    assert registry.load(entry)() == 1


def test_the_cure_cures(registry: Registry) -> None:
    """With the file and its checksum gone, or the checksum alone, the flow is generated again."""
    entry = registry.get_or_create(workflow())
    entry.path.write_text("changed", encoding="utf-8")
    entry.path.with_suffix(".sha256").unlink()
    assert registry.get_or_create(workflow()) == entry
    assert entry.path.read_text(encoding="utf-8") == entry.source


def test_a_missing_file_is_not_loaded_but_generated_again(registry: Registry) -> None:
    """Its checksum alone stands in nobody's way."""
    entry = registry.get_or_create(workflow())
    entry.path.unlink()
    with pytest.raises(
        RegistryError, match=r"can't be read: No such file or directory; delete a_flow_\w+.sha256"
    ):
        registry.load(entry)
    assert registry.get_or_create(workflow()) == entry
    assert registry.load(entry)


def test_a_file_of_another_document_is_not_taken_for_it(registry: Registry) -> None:
    """Even if it lies under the name of this one: the document's own hash stands in the file."""
    entry = registry.store(workflow(), render(workflow(description="other")))
    assert registry.get_or_create(workflow()).source == render(workflow())
    with pytest.raises(RegistryError, match="is not what was generated"):
        registry.load(entry)


@pytest.mark.parametrize(
    ("source", "reason"),
    [
        ("import no_such_module_anywhere\n", "ModuleNotFoundError"),
        ("x = 1\n", "AttributeError"),
        ("x = \n", "SyntaxError"),
    ],
)
def test_a_file_that_does_not_load_leaves_nothing_behind(
    registry: Registry, source: str, reason: str
) -> None:
    """The error names the file and what went wrong; no half a module stays."""
    entry = registry.store(workflow(), source)
    with pytest.raises(RegistryError, match=f"can't be loaded: {reason}: "):
        registry.load(entry)
    assert entry.module_name not in sys.modules


def test_a_folder_that_cannot_be_made_is_told(tmp_path: Path) -> None:
    """Path, reason and cure."""
    (tmp_path / "file").touch()
    with pytest.raises(
        RegistryError, match=r"file.*can't be stored: Not a directory; free some space, or choose"
    ):
        Registry(tmp_path / "file" / "flows").get_or_create(workflow())


def _store_with_little_space(folder: Path) -> str:
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100, 100))
    try:
        Registry(folder).store(workflow(), SOURCE * 10)
    except RegistryError as error:
        return str(error)
    return ""


def test_a_full_disk_leaves_no_half_a_file(tmp_path: Path) -> None:
    """The write fails as a whole, and says where and what to do."""
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        message = pool.apply(_store_with_little_space, (tmp_path,))
    assert message.startswith(str(tmp_path / "a_flow_"))
    assert "the generated flow can't be stored: File too large; free some space" in message
    assert list(tmp_path.iterdir()) == []


def _created(folder: str) -> dict[str, str]:
    entry = Registry(Path(folder)).get_or_create(workflow())
    return {"path": str(entry.path), "digest": entry.digest}


def test_processes_may_store_the_same_flow_at_once(tmp_path: Path) -> None:
    """Each gets the same entry; one whole file and its checksum remain."""
    with multiprocessing.get_context("spawn").Pool(4) as pool:
        entries = pool.map(_created, [str(tmp_path)] * 12)
    assert len({json.dumps(entry) for entry in entries}) == 1
    assert sorted(path.suffix for path in tmp_path.iterdir()) == [".py", ".sha256"]


def test_threads_may_load_the_same_flow_at_once(registry: Registry) -> None:
    """It is imported once."""
    entry = registry.store(workflow(), SOURCE)
    with ThreadPoolExecutor(8) as pool:
        flows = list(pool.map(registry.load, [entry] * 32))
    assert len({id(flow) for flow in flows}) == 1


def test_only_so_many_flows_stay_loaded(registry: Registry, monkeypatch: pytest.MonkeyPatch) -> None:
    """A router that runs for weeks forgets the flows it used least lately."""
    monkeypatch.setattr(module, "MOST_LOADED", 2)
    entries = [registry.store(workflow(description=str(i)), SOURCE) for i in range(3)]
    flows = [registry.load(entry) for entry in entries[:2]]
    registry.load(entries[0])
    registry.load(entries[2])
    assert [entry.module_name in sys.modules for entry in entries] == [True, False, True]
    assert registry.load(entries[0]) is flows[0]
    assert registry.load(entries[1]) is not flows[1]


def test_an_entry_with_another_digest_is_another_flow(registry: Registry) -> None:
    """A name alone proves nothing."""
    entry = registry.store(workflow(), SOURCE)
    forged: Entry = replace(entry, digest="0" * 64)
    with pytest.raises(RegistryError):
        registry.load(forged)


def test_the_registry_knows_no_prefect() -> None:
    """What is stored may be a Prefect flow; storing it needs none."""
    code = "import sys, codegen.registry; sys.exit('prefect' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
