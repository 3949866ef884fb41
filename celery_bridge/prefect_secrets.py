"""Prefect's Secret blocks as a worker reads them."""

from collections.abc import Mapping

from celery_bridge.prefect_blocks import BlocksUnreadable, PrefectBlocks
from steps.secret_values import Lookup, LookupFailed


def block_name(name: str) -> str:
    """The block of a secret: names of blocks have no underscores."""
    return name.replace("_", "-")


def where(name: str) -> str:
    """What to call the block of a secret."""
    return f"Prefect's Secret block {block_name(name)!r}"


def text_of(value: object, name: str) -> str:
    """The text in a block, which may hold any JSON data."""
    if not isinstance(value, str):
        raise LookupFailed(f"{where(name)} holds {type(value).__name__}, not a text")
    return value


def blocks_of_prefect(environment: Mapping[str, str] | None = None) -> tuple[Lookup, ...]:
    """The blocks of the server that PREFECT_API_URL names; nothing without it."""
    blocks = PrefectBlocks.from_environment(environment)
    return (_Secrets(blocks),) if blocks else ()


class _Secrets:
    def __init__(self, blocks: PrefectBlocks) -> None:
        self._blocks = blocks

    def where(self, name: str) -> str:
        """Where one is kept."""
        return where(name)

    async def find(self, name: str) -> str | None:
        """The text in its block."""
        try:
            data = await self._blocks.data("secret", block_name(name))
            return None if data is None else text_of(data["value"], name)
        except (BlocksUnreadable, KeyError) as error:
            why = error if isinstance(error, BlocksUnreadable) else "it has no value"
            raise LookupFailed(f"{where(name)} can't be read: {why}") from None
