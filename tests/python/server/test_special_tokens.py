"""Special tokens, and their look-alikes, found in a text that may be hostile."""

from __future__ import annotations

import time

import pytest

from lm_transparency.prompts.pace import Pace, TooSlow
from lm_transparency.server.language.specials import Specials


def found(texts: list[str], text: str) -> list[tuple[str, bool]]:
    return [(text[one.start : one.end], one.own) for one in Specials(texts).found_in(text)]


def test_the_longest_is_found_and_what_only_looks_like_one_is_told_apart() -> None:
    texts = ["<s>", "</s>", "<s>x", "^", "-", "]", ""]
    assert found(texts, "a<s>x <s> <|im_start|> [INST] ]-^ </s>") == [
        ("<s>x", True),
        ("<s>", True),
        ("<|im_start|>", False),
        ("[INST]", False),
        ("]", True),
        ("-", True),
        ("^", True),
        ("</s>", True),
    ]
    assert found([], "<pad> x") == [("<pad>", False)]


@pytest.mark.parametrize(
    ("texts", "text"),
    [
        ([f"<unused{i}>" for i in range(20_000)], "<unused" * 100_000),
        (["x" * i + "y" for i in range(1, 3000)], "x" * 500_000),
        ([chr(code) + "y" for code in range(0x4E00, 0x9000)], "一" * 500_000),
    ],
    ids=["one beginning", "one character", "many beginnings"],
)
def test_many_special_tokens_hold_up_no_search(texts: list[str], text: str) -> None:
    specials = Specials(texts)
    with Pace(0.2).kept():
        began = time.thread_time()
        with pytest.raises(TooSlow):
            sum(1 for _ in specials.found_in(text * 3))
    # it was asked in between whether that takes too long: one expression of all takes a minute for a part of it
    assert time.thread_time() - began < 2
