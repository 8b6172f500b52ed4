"""A tokenizer that does not finish on one particular text is abandoned, and so is the text."""

from __future__ import annotations

import threading
from typing import Any

import pytest

from lm_transparency import TransparencyError
from lm_transparency.model import tokens
from lm_transparency.model.deadline import Late, within
from lm_transparency.model.tokens import LONGEST_PROMPT, check_prompt, encode


class Endless:
    """A tokenizer that works until it is released."""

    def __init__(self) -> None:
        self.asked = 0
        self.let_go = threading.Event()

    def __call__(self, *_words: Any, **_more: Any) -> Any:
        self.asked += 1
        self.let_go.wait(60)
        raise ValueError("nobody hears this")


def test_a_tokenizer_that_does_not_end_is_a_sentence_and_is_asked_no_second_time(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(tokens, "PATIENCE_S", 0.05)
    tokenizer = Endless()
    for _ in range(2):
        with pytest.raises(TransparencyError, match="does not come to an end on this prompt") as caught:
            encode(tokenizer, "hello")
        assert caught.value.kind == "modelUnusable" and caught.value.remedy
    assert tokenizer.asked == 1
    tokenizer.let_go.set()


def test_what_comes_in_time_is_passed_on() -> None:
    def fail() -> None:
        raise KeyError("x")

    assert within(60, lambda: 3) == 3
    assert within(60, lambda: None) is None
    with pytest.raises(KeyError, match="x"):
        within(60, fail)
    waiting = threading.Event()
    with pytest.raises(Late):
        within(0.01, lambda: waiting.wait(60))
    waiting.set()


def test_a_prompt_that_no_model_reads_is_given_to_no_tokenizer() -> None:
    with pytest.raises(TransparencyError, match=r"has 2,000,001 characters; no model's context is that long") as caught:
        check_prompt("x" * (LONGEST_PROMPT + 1))
    assert caught.value.kind == "promptTooLong" and caught.value.remedy
    with pytest.raises(TransparencyError, match="half of a surrogate pair at offset 1999999"):
        check_prompt("é" * (LONGEST_PROMPT - 1) + "\ud800")
