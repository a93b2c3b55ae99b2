"""Answers that routes of several rooms give."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

import msgspec

from api.doors import Decision


class DecisionAnswer(msgspec.Struct):
    """PROPOSED until another person approves the same payload."""

    approval_id: UUID
    state: str
    payload_hash: str
    expires_at: datetime


def decision_answer(decision: Decision) -> DecisionAnswer:
    return DecisionAnswer(decision.approval_id, decision.state, decision.payload_hash, decision.expires_at)
