"""Where gateways come in: their clients' commands, and what must outlive a gateway or hold for all of them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Final, NamedTuple

from deedbook.owned import Owned
from gateway.cancels import Cancels, Timers
from persistence.feed import Peer
from persistence.feed_messages import (
    ASK_MEASURES,
    ASK_SEQ,
    BEAT,
    BEAT_BODY,
    COUNTDOWN,
    COUNTDOWN_BODY,
    DISOWN,
    ENTER,
    ENTER_HEAD,
    ENTERED,
    ENTERED_PAIR,
    GOES_ON,
    NOTE,
    ORDER_ID,
    OWNED,
    REFUSED,
    REFUSED_HEAD,
    SEQ,
    TOLD,
    records_of,
)
from persistence.sequencer import Durable, Sequencer

BEAT_EVERY_S: Final = 0.25


class _Entry(NamedTuple):
    """The origin of a command that came through a gateway."""

    peer: Peer
    nonce: int
    is_owned: bool


class Entrance:
    """`measures` is what GET /metrics answers; `clock` is the wall time in ns, the gateways' too.

    A gateway hears of each command that it entered: REFUSED, or ENTERED with its seq before the frame that holds it.
    """

    def __init__(self, sequencer: Sequencer, clock: Callable[[], int], measures: Callable[[], str]) -> None:
        self._sequencer = sequencer
        self._clock = clock
        self._measures = measures
        self._cancels = Cancels(sequencer.submit)
        self._timers = Timers(self._cancels)
        self._gateways: set[Peer] = set()
        self._owned = Owned()
        self._beat: asyncio.TimerHandle | None = None

    def join(self, peer: Peer) -> None:
        self._gateways.add(peer)
        self._send_beats()
        self._tell_all(b"")  # somebody is new: the others say what they have to share

    def leave(self, peer: Peer) -> None:
        """Its sessions have ended, and with them the orders that end with a session."""
        if peer in self._gateways:
            self._gateways.remove(peer)
            self._cancel(peer)

    def stop(self) -> None:
        """The exchange's own end is none of the sessions': their orders stay."""
        self._timers.stop()
        self._gateways.clear()
        if self._beat is not None:
            self._beat.cancel()

    def take(self, peer: Peer, kind: int, body: bytes) -> bool:
        if peer not in self._gateways:
            return False
        match kind:
            case _ if kind == ENTER:
                self._enter(peer, body)
            case _ if kind == COUNTDOWN:
                self._timers.start(*COUNTDOWN_BODY.unpack(body))
            case _ if kind == NOTE:
                self._tell_all(body)
            case _ if kind == ASK_MEASURES:
                peer.send(TOLD, self._measures().encode())
            case _ if kind == ASK_SEQ:
                peer.send(TOLD, SEQ.pack(self._sequencer.durable_seq))
            case _ if kind == DISOWN:
                self._owned.forget(peer, [order_id for (order_id,) in ORDER_ID.iter_unpack(body)])
            case _:
                return False
        return True

    def on_durable(self, durable: Durable) -> None:
        entered: dict[Peer, list[bytes]] = {}
        owned: dict[int, Peer] = {}
        for seq, origin in enumerate(durable.origins, durable.first_seq):
            if isinstance(origin, _Entry):
                entered.setdefault(origin.peer, []).append(ENTERED_PAIR.pack(seq, origin.nonce))
                if origin.is_owned:
                    owned[seq] = origin.peer
        for peer, pairs in entered.items():
            peer.send(ENTERED, *pairs)
        self._owned.take(durable.events, owned)
        for peer in set(owned.values()) - self._gateways:  # it went while they were under way
            self._cancel(peer)

    def _enter(self, peer: Peer, body: bytes) -> None:
        first_nonce, count = ENTER_HEAD.unpack_from(body)
        records = records_of(body, ENTER_HEAD.size + count)
        if len(records) != count:
            raise ValueError("a byte for each command, and then the commands")
        nonce, together = first_nonce, list[bytes]()
        for marks, record in zip(body[ENTER_HEAD.size :], records, strict=False):
            together.append(record)
            if not marks & GOES_ON:
                refusal = self._sequencer.submit_together(together, _Entry(peer, nonce, bool(marks & OWNED)))
                if refusal is not None:
                    peer.send(REFUSED, REFUSED_HEAD.pack(nonce), refusal.name.encode())
                nonce, together = nonce + 1, []
        if together:
            raise ValueError("the last command goes on")

    def _cancel(self, peer: Peer) -> None:
        for record in self._owned.forget(peer):
            self._cancels.send(record)

    def _tell_all(self, note: bytes) -> None:
        """Who said it hears it, too: so all have the notes in one order."""
        for peer in self._gateways:
            peer.send(NOTE, note)

    def _send_beats(self) -> None:
        if self._beat is not None:
            self._beat.cancel()
        body = BEAT_BODY.pack(self._clock(), self._sequencer.durable_seq)
        for peer in self._gateways:
            peer.send(BEAT, body)
        self._beat = asyncio.get_running_loop().call_later(BEAT_EVERY_S, self._send_beats) if self._gateways else None
