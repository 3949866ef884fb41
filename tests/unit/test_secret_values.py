"""Where secrets are looked up, and what is said when one can't be."""

from pathlib import Path

import pytest

from celery_bridge.prefect_secrets import blocks_of_prefect
from steps.errors import StepFailed
from steps.secret_values import FromEnvironment, FromFolder, FromMapping, Lookup, Secrets, usual_lookups
from tests.unit.http_server import serving

VALUE = "hunter2 $HOME"
NAME = "db_password"


async def value(*lookups: Lookup) -> str:
    return (await Secrets(*lookups).values([NAME]))[NAME]


async def refusal(*lookups: Lookup) -> str:
    with pytest.raises(StepFailed) as failed:
        await value(*lookups)
    return failed.value.message


def stored(folder: Path, data: bytes, mode: int = 0o600) -> FromFolder:
    file = folder / NAME
    file.write_bytes(data)
    file.chmod(mode)
    return FromFolder(folder)


async def test_a_variable_of_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its name is in upper case."""
    monkeypatch.setenv("OPSCONDUCTOR_SECRET_DB_PASSWORD", VALUE)
    assert await value(FromEnvironment()) == VALUE


@pytest.mark.parametrize("data", [VALUE.encode(), f"{VALUE}\n".encode(), f"{VALUE}\r\n".encode()])
async def test_a_file_without_its_last_line_end(tmp_path: Path, data: bytes) -> None:
    """Editors end the last line; two line ends are one that is meant."""
    assert await value(stored(tmp_path, data)) == VALUE


async def test_only_one_line_end_is_cut(tmp_path: Path) -> None:
    """The others belong to the secret."""
    assert await value(stored(tmp_path, b"secret\n\n")) == "secret\n"


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o666, 0o620])
async def test_a_file_that_others_can_open_is_refused(tmp_path: Path, mode: int) -> None:
    """The message names the file and the cure."""
    message = await refusal(stored(tmp_path, VALUE.encode(), mode))
    assert message == (
        f"secret 'db_password': the file {tmp_path / NAME} is open to others than its owner; "
        f"run: chmod 600 {tmp_path / NAME}"
    )


@pytest.mark.parametrize(
    ("data", "wrong"),
    [
        (b"\xff\xfe\xff\xff", "is no text in UTF-8"),
        (b"abc", "holds fewer than 4 characters"),
        (b"", "holds fewer than 4 characters"),
        (b"ab\0cd", "is too long, or no text"),
        (b"x" * 70_000, "is larger than 64 KiB"),
    ],
)
async def test_what_can_be_no_secret_is_refused(tmp_path: Path, data: bytes, wrong: str) -> None:
    """Never with what was found."""
    assert wrong in await refusal(stored(tmp_path, data))


async def test_a_folder_is_no_secret(tmp_path: Path) -> None:
    """It says that it can't be read."""
    (tmp_path / NAME).mkdir()
    assert "can't be read: Is a directory" in await refusal(FromFolder(tmp_path))


async def test_the_environment_comes_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Then the folder of the installation."""
    home = tmp_path / "secrets"
    home.mkdir()
    stored(home, b"from the file")
    lookups = usual_lookups({"OPSCONDUCTOR_HOME": str(tmp_path)})
    assert await value(*lookups) == "from the file"
    monkeypatch.setenv("OPSCONDUCTOR_SECRET_DB_PASSWORD", "from outside")
    assert await value(*lookups) == "from outside"


async def test_one_that_is_nowhere(tmp_path: Path) -> None:
    """The message names it and everywhere it was looked for."""
    lookups = usual_lookups({"OPSCONDUCTOR_HOME": str(tmp_path)})
    assert await refusal(*lookups) == (
        "secret 'db_password': not found; looked for the environment variable "
        f"OPSCONDUCTOR_SECRET_DB_PASSWORD and the file {tmp_path}/secrets/db_password"
    )
    assert await refusal() == "secret 'db_password': there is nowhere to look for it"


async def test_a_secret_stays_the_same_for_the_whole_run() -> None:
    """It is looked up once, and hidden from then on."""
    source = {NAME: VALUE}
    given = FromMapping(source)
    secrets = Secrets(given)
    assert not secrets.mask
    assert await secrets.values([NAME]) == {NAME: VALUE}
    given._values[NAME] = "rotated"
    assert await secrets.values([NAME]) == {NAME: VALUE}
    assert secrets.mask.text(f"x {VALUE}") == "x ***"
    assert repr(secrets) == "Secrets(db_password)"


def test_without_an_address_there_are_no_blocks() -> None:
    """A worker need not know of Prefect."""
    assert blocks_of_prefect({}) == ()


async def test_a_prefect_that_fails_is_named_without_its_key() -> None:
    """One that gives nonsense, one that hangs up."""
    with serving() as server:
        for path, wrong in (("echo", "gave no block"), ("drop", "does not answer (RemoteProtocolError)")):
            [blocks] = blocks_of_prefect(
                {"PREFECT_API_URL": f"{server.url}/{path}", "PREFECT_API_KEY": "pnu"}
            )
            assert await refusal(blocks) == (
                f"secret 'db_password': Prefect's Secret block 'db-password' can't be read: "
                f"{server.place} {wrong}"
            )
        assert server.requests[0]["path"].endswith("/slug/secret/block_documents/name/db-password")
        assert server.requests[0]["headers"]["authorization"] == "Bearer pnu"
