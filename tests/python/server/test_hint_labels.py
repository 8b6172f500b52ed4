"""The label of a token count behind a prompt is short, and plain text whatever the model's name."""

from __future__ import annotations

import pytest

from lm_transparency.server.language.borders import _short  # pyright: ignore[reportPrivateUsage]


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("smollm2-135m-instruct", "smollm2-135m…"),
        ("meta-llama/Llama-2-7b-hf", "Llama-2-7b-hf"),
        ("Qwen/Qwen2.5-0.5B-Instruct", "Qwen2.5-0.5B…"),
        ("gpt2", "gpt2"),
        ("anamewithoutanypartsatall", "anamewithoutanyp…"),
        ("-" * 30, "---------------…"),
        ("a\x1b[31m", "a␛[31m"),
    ],
)
def test_a_models_name_is_cut_between_its_parts(name: str, shown: str) -> None:
    assert _short(name) == shown
