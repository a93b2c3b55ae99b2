"""Balances of large frames wait unread; asked at any moment, the newest event is the answer."""

from __future__ import annotations

from random import Random

import numpy as np
import pytest

from engine import types as t
from engine.wire import EVENT, EVENT_SIZE, encode_event
from gateway import balances
from gateway.balances import Balances


@pytest.mark.parametrize("waiting_max", [1, 50, 10_000])
def test_the_newest_is_the_answer_whichever_way_it_came(monkeypatch: pytest.MonkeyPatch, waiting_max: int) -> None:
    monkeypatch.setattr(balances, "WAITING_MAX", waiting_max)
    rng, kept = Random(7), Balances()
    newest: dict[tuple[int, int], tuple[bytes, int]] = {}
    seq = 0
    for _ in range(60):
        texts, times = [], []
        for _ in range(rng.randint(1, 40)):
            seq += 1
            account, asset = rng.choice([1, 2, 70_000, 2**32 - 1]), rng.choice([0, 1, 65_535])
            text = encode_event(t.Balance(account, asset, seq, 0, 0, 0, 0, seq, 0, 0), seq)
            newest[account, asset] = text, seq
            texts.append(text)
            times.append(seq)
        if rng.random() < 0.5:
            kept.take(np.frombuffer(b"".join(texts), np.uint8).reshape(-1, EVENT_SIZE), np.array(times))
        else:
            for text, time_ns in zip(texts, times, strict=True):
                event = EVENT.unpack(text)
                kept.set(event[4], event[3], event, time_ns)
        if rng.random() < 0.2:
            account = rng.choice([1, 2, 70_000])
            known = {asset: EVENT.unpack(text) for (owner, asset), (text, _) in newest.items() if owner == account}
            assert kept.of(account) == known
            last = max((time_ns for (owner, _), (_, time_ns) in newest.items() if owner == account), default=0)
            assert kept.update_time_ns(account) == last
