"""Problems of a document and their places."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Severity = Literal["error", "warning", "information"]


@dataclass(frozen=True)
class Problem:
    """`start`, `end`: in characters of the document. `code`: one word for programs. Errors prevent an analysis."""

    start: int
    end: int
    message: str
    remedy: str = ""
    severity: Severity = "error"
    code: str = ""
