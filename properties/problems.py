"""Our errors in the words of HTTP."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from api.problem import Problem, not_found
from persistence.documents import DocumentRefusedError
from properties.property import PropertyMissingError, PropertyStateError, SymbolTakenError
from properties.terms import TermsError


@contextmanager
def as_problems() -> Iterator[None]:
    """What is raised inside and is a user's mistake comes out as a Problem."""
    try:
        yield
    except PropertyMissingError:
        raise not_found("property") from None
    except PropertyStateError as error:
        raise Problem(409, "PROPERTY_STATE", str(error)) from None
    except SymbolTakenError:
        raise Problem(409, "SYMBOL_TAKEN", "Another property has this symbol: choose another one.") from None
    except TermsError as error:
        raise Problem(422, "TERMS_INVALID", str(error), term=error.term) from None
    except DocumentRefusedError as error:
        status = 413 if error.reason == "DOCUMENT_TOO_LARGE" else 422
        raise Problem(status, error.reason, str(error)) from None
