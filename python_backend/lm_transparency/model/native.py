"""Native code driven by a foreign file: anything it raises becomes an error with a sentence."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager

from ..errors import STOPS, TransparencyError, first_line, is_out_of_memory

OTHER_TOKENIZER = "Use the tokenizer that the model was published with, or another model."

#: Errors that are not failures of the code, or are reported otherwise.
_OTHERS = (*STOPS, TransparencyError, NotImplementedError, ImportError)


@contextmanager
def answered(what: str, remedy: str) -> Generator[None]:
    """Turn anything raised inside into a `TransparencyError("modelUnusable")` that says `what` failed and why.

    A panic of Rust code is a `BaseException`, which no `except Exception` catches. Lack of memory is passed on.
    """
    try:
        yield
    except _OTHERS:
        raise
    except BaseException as error:
        if is_out_of_memory(error):
            raise
        raise TransparencyError("modelUnusable", f"{what}: {first_line(error)}.", remedy) from error
