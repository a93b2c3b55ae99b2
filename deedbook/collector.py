"""Python's cycle collector, told to keep out of the market's way."""

import gc

THRESHOLDS = (50_000, 20, 100)  # an order makes no cycles: there is little to find, and much to walk through


def quiet() -> None:
    """Leave alone what is there now, and look at what comes later seldom."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(*THRESHOLDS)
