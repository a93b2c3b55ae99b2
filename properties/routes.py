"""The routes of a property's life, from its draft to its mint."""

from __future__ import annotations

from api.answers import DecisionAnswer
from api.route import Kind, Route
from properties.answers import (
    DocumentAnswer,
    PageQuery,
    ProgressAnswer,
    PropertyAnswer,
    PropertyBody,
    PropertyChanges,
    PropertyPage,
    RejectBody,
    UploadQuery,
)
from properties.desk import Desk, Doors


def routes(doors: Doors) -> list[Route]:
    """All of them; who may call which stands in the role table."""
    desk = Desk(doors)
    one = "/properties/{property_id}"
    return [
        Route(
            method="POST",
            path="/properties",
            handler=desk.create,
            body=PropertyBody,
            answer=PropertyAnswer,
            status=201,
            summary="Draft a property.",
        ),
        Route(
            method="GET",
            path="/properties",
            handler=desk.browse,
            query=PageQuery,
            answer=PropertyPage,
            summary="List tokenized properties, a manager's own, and to admins all.",
        ),
        Route(method="GET", path=one, handler=desk.get, answer=PropertyAnswer, summary="One property."),
        Route(
            method="PATCH",
            path=one,
            handler=desk.edit,
            body=PropertyChanges,
            answer=PropertyAnswer,
            summary="Change the terms of a draft, or of a property that was rejected.",
        ),
        Route(
            method="POST",
            path=f"{one}/documents",
            handler=desk.upload,
            query=UploadQuery,
            answer=DocumentAnswer,
            status=201,
            kind=Kind.UPLOAD,
            summary="Add a PDF, PNG or JPEG; the body is the file itself.",
        ),
        Route(
            method="GET",
            path=f"{one}/documents",
            handler=desk.list_documents,
            answer=list[DocumentAnswer],
            summary="The documents, each with a link that opens it for a few minutes.",
        ),
        Route(
            method="POST",
            path=f"{one}/submit",
            handler=desk.submit,
            answer=PropertyAnswer,
            summary="Hand the property in for approval.",
        ),
        Route(
            method="POST",
            path=f"{one}/approve",
            handler=desk.approve,
            answer=DecisionAnswer,
            summary="Propose the property's approval, or as a second person approve it.",
        ),
        Route(
            method="POST",
            path=f"{one}/reject",
            handler=desk.reject,
            body=RejectBody,
            answer=PropertyAnswer,
            summary="Give the property back to its manager, with a reason.",
        ),
        Route(
            method="POST",
            path="/tokens/mint/{property_id}",
            handler=desk.mint,
            answer=DecisionAnswer,
            summary="Propose the token's deployment and mint, or as a second person approve it.",
        ),
        Route(
            method="GET",
            path=f"{one}/progress",
            handler=desk.progress,
            answer=ProgressAnswer,
            summary="How far the token's deployment is.",
        ),
    ]
