"""The end of a command that failed, whatever was raised in it."""

from __future__ import annotations

import re
from pathlib import Path

import numba
import pytest

import lm_transparency
from lm_transparency import Cancelled, TransparencyError
from lm_transparency.cli import main, models
from lm_transparency.cli.ending import ended
from lm_transparency.trace.compiling import compiled


class PanicException(BaseException):
    """A panic as native extensions raise it."""


@pytest.mark.parametrize(
    ("error", "code", "words"),
    [
        (TransparencyError("invalidParams", "a\nb\x1b[31m.", "c"), 2, "a b␛[31m. c"),
        (TransparencyError("modelNotFound", "a."), 3, "a."),
        (PanicException("called `unwrap()` on\n a \x9b value"), 70, "PanicException: called `unwrap()` on"),
        (RecursionError("too deep"), 70, "RecursionError: too deep"),
        (AssertionError(), 70, "Something unexpected failed (AssertionError)."),
        (MemoryError(), 4, "There is not enough memory."),
        (OSError(30, "Read-only file system", "/cache/x\n"), 2, "/cache/x cannot be used: Read-only file system."),
        (OSError("odd"), 2, "A file cannot be used: odd."),
        (UnicodeEncodeError("ascii", "é", 0, 1, "no"), 2, "UTF-8 locale"),
        (ModuleNotFoundError("no", name="torch.x"), 3, "python -m pip install torch"),
        (KeyboardInterrupt(), 130, "Interrupted."),
        (Cancelled(), 130, "Interrupted."),
        (BrokenPipeError(), 141, ""),
        (SystemExit(5), 5, ""),
        (SystemExit("why"), 1, "why"),
    ],
    ids=repr,
)
def test_any_exception_is_a_code_and_at_most_a_sentence(
    error: BaseException, code: int, words: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail(_arguments: object) -> int:
        raise error

    monkeypatch.setattr(models, "run", fail)
    assert main(["models"]) == code
    said = capsys.readouterr().err
    assert words in said and len(said.splitlines()) == bool(words)
    assert said.isprintable() or (said.endswith("\n") and said[:-1].isprintable())


def test_who_looks_for_a_fault_gets_the_traceback(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("LM_TRANSPARENCY_DEBUG", "1")
    assert ended(ValueError("here")) == 70
    assert "ValueError: here\nlm-transparency: Something" in capsys.readouterr().err


def test_a_sentence_has_an_end(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["analyze", "--text", "x", "--threshold", "9" * 100_000]) == 2
    assert 500 < len(capsys.readouterr().err) < 2500


def test_only_safe_ways_to_write_json_and_markup_are_used() -> None:
    root = Path(lm_transparency.__file__).parent
    printing = [*root.glob("cli/*.py"), *root.glob("exports/*.py"), *root.glob("notebook/*.py")]
    found = [
        f"{file.name}: {line.strip()}"
        for file in printing
        for line in file.read_text("utf-8").splitlines()
        if re.search(r"json\.dumps|sys\.std(out|err)|os\.write\(|markup=True", line)
    ]
    # a batch writes whole lines of its own
    assert not [line for line in found if not line.startswith("many.py: ")]


def test_kernels_that_cannot_be_kept_are_compiled_all_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    def no_place(_function: object) -> None:
        raise RuntimeError("cannot cache function: no locator available")

    with monkeypatch.context() as patched:
        patched.setattr("numba.core.dispatcher.FunctionCache", no_place)
        assert compiled()(lambda x: x + 1)(1) == 2

    class Full:
        def __init__(self, *_: object) -> None:
            self.cache_path = ""

        def load_overload(self, *_: object) -> None:
            raise EOFError

        def save_overload(self, *_: object) -> None:
            raise OSError(28, "No space left on device")

    monkeypatch.setattr("numba.core.dispatcher.FunctionCache", Full)
    with pytest.raises((OSError, EOFError)):
        numba.njit(cache=True)(lambda x: x + 1)(1)
    assert compiled()(lambda x: x + 1)(1) == 2
