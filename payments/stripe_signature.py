"""Whether a webhook is Stripe's: its signature over the raw body, made within the last minutes."""

from __future__ import annotations

import hmac
from hashlib import sha256
from typing import Final

TOLERANCE_S: Final = 300  # both ways: a signature from the future is no better than an old one
HEADER_LENGTH_MAX: Final = 2_000
_TIME_DIGITS_MAX: Final = 12


def signature(secret: str, body: bytes, time_s: int) -> str:
    """The v1 scheme: HMAC-SHA256 over `time.body`, in hex."""
    return hmac.new(secret.encode(), str(time_s).encode() + b"." + body, sha256).hexdigest()


def is_signed(secret: str, body: bytes, header: str, now_s: float) -> bool:
    """`header` is Stripe-Signature: t=<seconds>,v1=<hex>[,v1=<hex> while a secret is being changed][,v0=...]."""
    if len(header) > HEADER_LENGTH_MAX:
        return False
    fields = [item.strip().partition("=") for item in header.split(",")]
    times = [value for name, _, value in fields if name == "t"]
    if len(times) != 1 or not (times[0].isascii() and times[0].isdigit()) or len(times[0]) > _TIME_DIGITS_MAX:
        return False
    time_s = int(times[0])
    if abs(now_s - time_s) > TOLERANCE_S:
        return False
    right = signature(secret, body, time_s).encode()
    given = [value.encode(errors="replace") for name, _, value in fields if name == "v1"]
    return any(hmac.compare_digest(right, each) for each in given)
