"""Notices on an analysis: two beginning tokens, pieces of characters. Each is short enough to read."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest

import lm_transparency as lt
from lm_transparency.analysis.notices import notices
from lm_transparency.trace.proof import Proof


def said(run: lt.Analysis, words: str) -> list[str]:
    return [notice for notice in run.notices if words in notice]


@pytest.mark.parametrize(
    ("prompt", "special", "count"),
    [
        ("<s>Mary", "bos", 2),
        ("<s><s>Mary", "none", 2),
        ("<s><s>Mary", "bos", 3),
        ("<s>Mary", "none", 0),
        ("Mary", "bos", 0),
    ],
)
def test_two_beginning_tokens_are_said(tiny_llama: lt.LoadedModel, prompt: str, special: Any, count: int) -> None:
    found = said(lt.analyze(tiny_llama, prompt, special_tokens=special), "beginning-of-sequence")
    assert len(found) == (count > 0)
    assert all(f"begins with {count} beginning-of-sequence tokens ('<s>')" in notice for notice in found)


def test_two_beginning_tokens_of_a_chat_template_are_said(tiny_llama: lt.LoadedModel) -> None:
    import copy

    tokenizer = copy.deepcopy(tiny_llama.tokenizer)
    tokenizer.chat_template = "<s><s>{% for m in messages %}{{ m['content'] }}{% endfor %}"
    model = dataclasses.replace(tiny_llama, tokenizer=tokenizer)
    run = lt.analyze(model, lt.chat_of([{"role": "user", "content": "Mary went"}]))
    assert len(said(run, "beginning-of-sequence")) == 1


def test_every_notice_is_as_long_as_one_reads(tiny_llama: lt.LoadedModel) -> None:
    run = lt.analyze(tiny_llama, "😶" * 60)
    (pieces,) = said(run, "pieces of characters")
    assert "more are pieces of characters" in pieces
    assert len(pieces) < 250


def test_what_is_shown_as_text_is_not_said_to_be_bytes(tiny_llama: lt.LoadedModel) -> None:
    run = lt.analyze(tiny_llama, "fi 😶")
    pieces = [i for i, token in enumerate(run.tokens) if token.shared]
    # as a normaliser rewrites one character to two, each of which has an entry of its own
    tokens = [dataclasses.replace(t, shared=i < 2 or t.shared) for i, t in enumerate(run.tokens)]
    found = notices(tokens, run.proof, run.trace, None, None)
    assert [n for n in found if "shown as bytes" in n] == said(run, "shown as bytes")
    assert len(pieces) > 1 and len([n for n in found if n.startswith("Tokens 0, 1 stand for characters")]) == 1


def test_a_notice_that_quotes_anything_is_bounded(tiny_llama: lt.LoadedModel) -> None:
    run = lt.analyze(tiny_llama, "<s><s>Mary")
    tokens = [dataclasses.replace(token, text=token.text * 9000) for token in run.tokens]
    proof = Proof(run.proof.layers, -1.0)
    chat = lt.chat_of([{"role": "user", "content": f"other {i}"} for i in range(4000)])
    found = notices(tokens, proof, run.trace, chat, tokens[0].id)
    assert len(found) >= 3
    assert max(map(len, found)) <= 700


def test_an_error_that_quotes_anything_is_bounded() -> None:
    error = lt.TransparencyError("invalidParams", "a" * 100_000, "b" * 100_000)
    assert len(str(error)) < 5000
