"""Native code that a foreign file drives: whatever it raises becomes an answer."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager

from ..errors import STOPS, TransparencyError, is_out_of_memory

OTHER_TOKENIZER = "Use the tokenizer that the model was published with, or another model."

#: What is no failure of the code that runs, or has an answer of its own.
_OTHERS = (*STOPS, TransparencyError, NotImplementedError, ImportError)


@contextmanager
def answered(what: str, remedy: str) -> Generator[None]:
    """Inside, anything that is raised is a `TransparencyError("modelUnusable")` that says `what` failed and why.

    A panic of Rust code is a `BaseException` that no `except Exception` sees. A lack of memory stays one.
    """
    try:
        yield
    except _OTHERS:
        raise
    except BaseException as error:
        if is_out_of_memory(error):
            raise
        raise TransparencyError("modelUnusable", f"{what}: {first_line(error)}.", remedy) from error


def first_line(error: BaseException) -> str:
    """What `error` says, on one line and without a full stop; its type where it says nothing."""
    lines = str(error).strip().splitlines()
    return (lines[0] if lines else type(error).__name__)[:300].rstrip(". ")
