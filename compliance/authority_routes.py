"""Routes by which people are given roles, link wallets, decide in twos, and see what was done."""

from __future__ import annotations

import json

from eth_utils.address import to_checksum_address

from api.addresses import unhex
from api.answers import decision_answer
from api.route import Call, Route
from compliance import messages as m
from compliance.appointments import Appointments, people
from compliance.approvals import Approval, Approvals
from compliance.audit import entries
from compliance.wallets import Wallets
from persistence.database import Pool


def authority_routes(pool: Pool, approvals: Approvals, appointments: Appointments, wallets: Wallets) -> list[Route]:
    handlers = _Handlers(pool, approvals, appointments, wallets)
    return [
        Route(
            method="GET",
            path="/users",
            handler=handlers.users,
            query=m.UsersQuery,
            answer=list[m.User],
            summary="Who is registered, in pages.",
        ),
        Route(
            method="PUT",
            path="/users/{user_id}/roles",
            handler=handlers.set_roles,
            body=m.Roles,
            answer=m.Appointment,
            summary="Give somebody exactly these roles, and INVESTOR; who decides with admins takes two to appoint.",
        ),
        Route(
            method="POST",
            path="/wallets/challenge",
            handler=handlers.challenge,
            body=m.WalletAddress,
            answer=m.WalletChallenge,
            summary="Ask for the text that shows, signed, that a wallet is yours (EIP-4361).",
        ),
        Route(
            method="POST",
            path="/wallets",
            handler=handlers.link,
            body=m.SignedChallenge,
            answer=m.LinkedWallet,
            summary="Link a wallet with the signed text.",
        ),
        Route(
            method="GET",
            path="/wallets",
            handler=handlers.wallets,
            answer=list[m.LinkedWallet],
            summary="Your wallets.",
        ),
        Route(
            method="GET",
            path="/approvals",
            handler=handlers.approvals,
            query=m.ApprovalsQuery,
            answer=list[m.ApprovalShown],
            summary="What two people decide, and was yours to decide; the latest first.",
        ),
        Route(
            method="GET",
            path="/approvals/{approval_id}",
            handler=handlers.approval,
            answer=m.ApprovalShown,
            summary="One of them.",
        ),
        Route(
            method="POST",
            path="/approvals/{approval_id}/approve",
            handler=handlers.approve,
            body=m.Approve,
            answer=m.ApprovalShown,
            summary="Approve what another person proposed, named by the hash of its payload; it is carried out.",
        ),
        Route(
            method="POST",
            path="/approvals/{approval_id}/reject",
            handler=handlers.reject,
            body=m.Reject,
            answer=m.ApprovalShown,
            summary="Reject a proposal, with a reason.",
        ),
        Route(
            method="GET",
            path="/audit",
            handler=handlers.audit,
            query=m.AuditQuery,
            answer=list[m.AuditEntry],
            summary="The audit log, in pages, the latest first.",
        ),
    ]


class _Handlers:
    def __init__(self, pool: Pool, approvals: Approvals, appointments: Appointments, wallets: Wallets) -> None:
        self._pool = pool
        self._approvals = approvals
        self._appointments = appointments
        self._wallets = wallets

    async def users(self, call: Call[None]) -> list[m.User]:
        query: m.UsersQuery = call.query
        return [
            m.User(
                each.user_id, each.email, each.is_verified, each.has_second_factor, list(each.roles), each.created_at
            )
            for each in await people(self._pool, query.after, query.limit)
        ]

    async def set_roles(self, call: Call[m.Roles]) -> m.Appointment:
        appointed = await self._appointments.set_roles(call.uuid("user_id"), frozenset(call.body.roles), call.signed_in)
        decision = None if appointed.decision is None else decision_answer(appointed.decision)
        return m.Appointment(sorted(appointed.roles), decision)

    async def challenge(self, call: Call[m.WalletAddress]) -> m.WalletChallenge:
        challenge = await self._wallets.challenge(call.signed_in, unhex(call.body.address))
        return m.WalletChallenge(challenge.message, challenge.expires_at)

    async def link(self, call: Call[m.SignedChallenge]) -> m.LinkedWallet:
        signature = unhex(call.body.signature)
        address = await self._wallets.link(call.signed_in, call.body.message, signature)
        linked = await self._linked(call)
        return next(each for each in linked if each.address == to_checksum_address(address))

    async def wallets(self, call: Call[None]) -> list[m.LinkedWallet]:
        return await self._linked(call)

    async def approvals(self, call: Call[None]) -> list[m.ApprovalShown]:
        query: m.ApprovalsQuery = call.query
        found = await self._approvals.approvals(call.signed_in, query.state, query.before, query.limit)
        return [_shown(each) for each in found]

    async def approval(self, call: Call[None]) -> m.ApprovalShown:
        return _shown(await self._approvals.approval(call.uuid("approval_id"), call.signed_in))

    async def approve(self, call: Call[m.Approve]) -> m.ApprovalShown:
        approval_id = call.uuid("approval_id")
        return _shown(await self._approvals.approve(approval_id, call.body.payload_hash, call.signed_in))

    async def reject(self, call: Call[m.Reject]) -> m.ApprovalShown:
        approval_id = call.uuid("approval_id")
        return _shown(await self._approvals.reject(approval_id, call.body.reason, call.signed_in))

    async def audit(self, call: Call[None]) -> list[m.AuditEntry]:
        query: m.AuditQuery = call.query
        return [
            m.AuditEntry(
                each.entry_id,
                each.at,
                each.actor,
                each.action,
                each.user_id,
                None if each.address is None else to_checksum_address(each.address),
                each.instrument,
                json.loads(each.details),
                each.hash.hex(),
            )
            for each in await entries(self._pool, query.user_id, query.before, query.limit)
        ]

    async def _linked(self, call: Call[None] | Call[m.SignedChallenge]) -> list[m.LinkedWallet]:
        return [
            m.LinkedWallet(to_checksum_address(each.address), each.account, each.linked_at)
            for each in await self._wallets.wallets(call.signed_in.user_id)
        ]


def _shown(approval: Approval) -> m.ApprovalShown:
    return m.ApprovalShown(
        approval_id=approval.approval_id,
        kind=approval.kind,
        subject=approval.subject,
        payload=json.loads(approval.payload),
        payload_json=approval.payload,
        payload_hash=approval.payload_hash.hex(),
        state=approval.state,
        proposed_by=approval.proposed_by,
        proposed_at=approval.proposed_at,
        expires_at=approval.expires_at,
        decided_by=approval.decided_by,
        decided_at=approval.decided_at,
        reason=approval.reason,
    )
