"""The papers of a house that nobody built: a page of text each, as PDF."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from typing import Final

from properties.terms import TermsWords

A4: Final = "[0 0 595 842]"
DISCLAIMER: Final = "This house belongs to a demonstration. It stands nowhere, and this paper proves nothing."


def papers(terms: TermsWords) -> dict[str, bytes]:
    """A deed and a valuation, by file name."""
    supply, valuation = int(terms.supply_tokens), Decimal(terms.valuation_usdc)
    house = f"{terms.name} ({terms.symbol})"
    deed = [
        f"Building: {terms.address}",
        "Owner: a company that owns this building and nothing else",
        f"Divided into: {supply:,} tokens of equal rank",
        "Charges and mortgages: none",
    ]
    valued = [
        f"Building: {terms.address}",
        f"Value: {valuation:,} USDC",
        f"Tokens: {supply:,}",
        f"Value of one token: {valuation / supply:,.2f} USDC",
        "Method: what the demo's market opened at, times the tokens",
    ]
    return {
        "deed.pdf": page(f"Deed of {house}", [*deed, "", DISCLAIMER]),
        "valuation.pdf": page(f"Valuation of {house}", [*valued, "", DISCLAIMER]),
    }


def page(title: str, lines: Sequence[str]) -> bytes:
    """One page of A4 in Helvetica; title and lines of printable ASCII, as long as the page is wide."""
    shown = "".join(f"({_escaped(line)}) Tj T*\n" for line in lines)
    text = f"BT /F2 16 Tf 60 770 Td ({_escaped(title)}) Tj\n/F1 11 Tf 18 TL 0 -36 Td\n{shown}ET"
    return _file(
        [
            "<< /Type /Catalog /Pages 2 0 R >>",
            "<< /Type /Pages /Kids [3 0 R] /Count 1 >>",
            f"<< /Type /Page /Parent 2 0 R /MediaBox {A4} /Contents 6 0 R"
            " /Resources << /Font << /F1 4 0 R /F2 5 0 R >> >> >>",
            "<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>",
            "<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica-Bold >>",
            f"<< /Length {len(text)} >>\nstream\n{text}\nendstream",
        ]
    )


def _escaped(line: str) -> str:
    assert line.isascii(), line
    assert line.isprintable(), line
    return line.replace("\\", r"\\").replace("(", r"\(").replace(")", r"\)")


def _file(objects: Sequence[str]) -> bytes:
    """The objects, numbered from 1, with the table that says where each begins."""
    file, offsets = b"%PDF-1.7\n", []
    for number, body in enumerate(objects, 1):
        offsets.append(len(file))
        file += f"{number} 0 obj\n{body}\nendobj\n".encode()
    table = "".join(f"{offset:010} 00000 n \n" for offset in offsets)
    size = len(objects) + 1
    trailer = f"trailer << /Size {size} /Root 1 0 R >>\nstartxref\n{len(file)}\n%%EOF\n"
    return file + f"xref\n0 {size}\n0000000000 65535 f \n{table}{trailer}".encode()
