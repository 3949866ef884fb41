"""The tasks of a shop: plain Celery, which knows nothing of workflows."""

import os

from celery import Celery

REDIS = os.environ.get("SHOP_REDIS", "redis://localhost:6379/0")

app = Celery("shop", broker=REDIS, backend=REDIS)
app.conf.task_track_started = True

ORDERS = {101: 40, 102: 25, 103: 35}


@app.task(name="shop.open_orders")
def open_orders() -> list[int]:
    """The orders that have not been paid yet."""
    return sorted(ORDERS)


@app.task(name="shop.charge")
def charge(order: int) -> int:
    """Take the money for an order; how much it was."""
    if order not in ORDERS:
        raise LookupError(f"there is no order {order}")
    return ORDERS[order]


@app.task(name="shop.book")
def book(amounts: list[int]) -> int:
    """Write the payments into the books; what they are together."""
    return sum(amounts)


@app.task(name="shop.report")
def report(total: int, day: str) -> str:
    """What the boss reads."""
    return f"{day}: {total} EUR"
