"""How many child processes may run at once: no more than there are file descriptors for."""

import asyncio
import resource
from weakref import WeakKeyDictionary

MOST = 200
DESCRIPTORS_EACH = 6
KEPT_FREE = 64

_places: WeakKeyDictionary[asyncio.AbstractEventLoop, asyncio.Semaphore] = WeakKeyDictionary()


def places() -> asyncio.Semaphore:
    """The places for child processes of the running event loop; further ones wait for a place."""
    loop = asyncio.get_running_loop()
    if loop not in _places:
        _places[loop] = asyncio.Semaphore(room(resource.getrlimit(resource.RLIMIT_NOFILE)[0]))
    return _places[loop]


def room(descriptors: int) -> int:
    """How many children fit into a limit on open files."""
    if descriptors == resource.RLIM_INFINITY:
        return MOST
    return max(1, min(MOST, (descriptors - KEPT_FREE) // DESCRIPTORS_EACH))
