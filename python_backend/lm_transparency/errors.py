"""Errors that a user can act on, as one exception: a kind for programs, a sentence and a remedy for people."""

from __future__ import annotations

import errno
from collections.abc import Iterable
from typing import Literal

from .printable import sentence

Kind = Literal[
    "invalidParams",
    "invalidPrompt",
    "promptTooLong",
    "invalidPosition",
    "modelNotFound",
    "modelUnusable",
    "modelUnsupported",
    "dependencyMissing",
    "tooLarge",
    "outOfMemory",
    "costly",
    "runExpired",
]

#: Exit codes of the command line: 2 bad usage or input, 3 a model that cannot be loaded, 4 one that cannot be analysed.
EXIT_CODES: dict[Kind, int] = {
    "invalidParams": 2,
    "invalidPrompt": 2,
    "promptTooLong": 2,
    "invalidPosition": 2,
    "runExpired": 2,
    "modelNotFound": 3,
    "modelUnusable": 3,
    "dependencyMissing": 3,
    "tooLarge": 4,
    "outOfMemory": 4,
    "costly": 4,
    "modelUnsupported": 4,
}


class TransparencyError(Exception):
    """A failure that a user can act on. `str(error)` is one line: what is wrong, then the remedy.

    Both are made safe to print, whatever names and library messages they contain.
    """

    def __init__(self, kind: Kind, message: str, remedy: str = "") -> None:
        message, remedy = sentence(message), sentence(remedy)
        super().__init__(f"{message} {remedy}".strip())
        self.kind: Kind = kind
        self.message = message
        self.remedy = remedy

    def _render_traceback_(self) -> list[str]:
        # shown by IPython: the sentence helps a user, the traceback does not
        return [f"{type(self).__name__}: {self}"]

    @property
    def exit_code(self) -> int:
        return EXIT_CODES[self.kind]


def check_choice(name: str, value: object, allowed: Iterable[str]) -> None:
    """Raise `TransparencyError("invalidParams")` for a value that is not one of the words `allowed`."""
    words = list(allowed)
    if value not in words:
        listed = f"{', '.join(words[:-1])} or {words[-1]}" if len(words) > 1 else words[0]
        raise TransparencyError("invalidParams", f"{name} is {value!r}.", f"It takes {listed}.")


class Cancelled(Exception):
    """Raised when the user, or a newer request, stops the work."""


#: Exceptions that stop work without being a failure of the code that raises them.
STOPS: tuple[type[BaseException], ...] = (Cancelled, KeyboardInterrupt, SystemExit, GeneratorExit)


def is_out_of_memory(error: BaseException) -> bool:
    """Whether the memory of a device, or of the machine, did not suffice."""
    # by name and message: torch may not be imported, and its CPU allocator raises a plain RuntimeError
    return (
        isinstance(error, MemoryError)
        or type(error).__name__ == "OutOfMemoryError"
        or (isinstance(error, OSError) and error.errno == errno.ENOMEM)
        or any(words in str(error) for words in _CPU_ALLOCATOR)
    )


def out_of_range(what: str, index: int, count: int) -> TransparencyError:
    return TransparencyError("invalidParams", f"There is no {what} {index}.", f"Choose 0 to {count - 1}.")


def first_line(error: BaseException) -> str:
    """The message of `error` on one line and without a full stop; its type where it has none.

    A line that ends in a colon is continued by the next.
    """
    try:
        lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    except Exception:
        # the text of a foreign exception may fail to be made
        lines = []
    said = " ".join(lines[: 2 if lines and lines[0].endswith(":") else 1])
    return (said or type(error).__name__)[:300].rstrip(".: ")


_CPU_ALLOCATOR = (
    "can't allocate memory",
    "tried to allocate",
    "Cannot allocate memory",
    # a library that does not fit, from the dynamic linker
    "failed to map segment",
)
