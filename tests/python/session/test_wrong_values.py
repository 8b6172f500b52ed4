"""Invalid values in the Python API: each is refused in a sentence, before any work."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from lm_transparency import LoadedModel, TransparencyError, analyze, analyze_many, load_model, show
from lm_transparency.notebook import cell
from lm_transparency.session.session import Session

NO_TEXT = [None, b"bytes", ["a", "b"], 5, 1.5, Path("a.prompt"), {"role": "user"}]


@pytest.mark.parametrize("prompt", NO_TEXT, ids=str)
def test_a_prompt_that_is_no_text_is_named_by_its_type(prompt: Any, tiny_gpt2: LoadedModel) -> None:
    wanted = f"The prompt is of type {type(prompt).__name__}, not text. Pass a str, or a Chat."
    for ask in (lambda: analyze(tiny_gpt2, prompt), lambda: Session().analyze(tiny_gpt2, prompt)):
        with pytest.raises(TransparencyError) as caught:
            ask()
        assert (str(caught.value), caught.value.kind) == (wanted, "invalidPrompt")


def test_many_prompts_of_which_one_is_no_text_have_an_error_there(tiny_gpt2: LoadedModel) -> None:
    records = {r["index"]: r for r in analyze_many(tiny_gpt2, ["The store", *NO_TEXT])}
    assert len(records) == 1 + len(NO_TEXT)
    assert records[0]["error"] is None
    assert all(records[i]["error"]["kind"] == "invalidPrompt" for i in range(1, len(records)))


@pytest.mark.parametrize(
    ("ask", "words"),
    [
        (
            lambda model: analyze(model, "x", special_tokens="eos"),
            "special_tokens is 'eos'. It takes auto, bos or none.",
        ),
        (lambda _: load_model(quantization="3bit"), "quantization is '3bit'. It takes auto, 4bit or 8bit."),
        (lambda _: load_model(dtype="int4"), "There is no dtype 'int4'."),
        (lambda _: load_model(device="tpu"), "device"),
        (lambda model: list(analyze_many(model, ["x"], form="xml")), "form is 'xml'. It takes jsonl or parquet."),
        (lambda model: list(analyze_many(model, ["x"], engine="spark")), "engine is 'spark'. It takes local or ray."),
        (lambda model: list(analyze_many(model, ["x"], special_tokens=None)), "special_tokens is None."),
        (lambda model: list(analyze_many(model, "text")), "`prompts` is one text. Pass a list of them: [prompt]."),
        (lambda model: show(model, "x", view="graph"), "view is 'graph'. It takes routes, lens or heads."),
        (lambda _: show(Path("x")), "cannot draw something of type PosixPath"),
    ],
)
def test_an_unknown_choice_is_refused_with_the_known_ones(
    ask: Callable[[Any], Any], words: str, tiny_gpt2: LoadedModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cell, "_display", lambda: None)
    with pytest.raises(TransparencyError) as caught:
        ask(tiny_gpt2)
    assert words in str(caught.value)
    assert caught.value.kind == "invalidParams"
