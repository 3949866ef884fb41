"""Where the steps of a generated flow find secrets: where all steps do, then in Prefect's Secret blocks."""

from typing import Any

import httpx
from prefect.blocks.system import Secret
from prefect.exceptions import PrefectException

from celery_bridge.prefect_secrets import block_name, text_of, where
from steps.secret_values import LookupFailed, Secrets, usual_lookups


def run_secrets() -> Secrets:
    """The secrets of one run."""
    return Secrets(*usual_lookups(), SecretBlocks())


class SecretBlocks:
    """The blocks of the server that runs the flow, whichever way it was found."""

    def where(self, name: str) -> str:
        """Where one is kept."""
        return where(name)

    async def find(self, name: str) -> str | None:
        """The text in its block."""
        try:
            block: Secret[Any] = await Secret.aload(block_name(name))
        except ValueError:
            return None  # Prefect's way to say that there is no such block
        except (httpx.HTTPError, PrefectException, RuntimeError) as error:
            raise LookupFailed(f"{where(name)} can't be read ({type(error).__name__})") from error
        return text_of(block.get(), name)
