"""A model that an analysis refuses shows its lens: of every layer, at the last positions of the prompt."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from families import build
from lm_transparency import TransparencyError
from lm_transparency.model.chat import parse_chat
from lm_transparency.model.options import ModelChoice
from lm_transparency.protocol.analysis import PlainLensResult
from lm_transparency.session.session import Session
from lm_transparency.watch import Watch
from tiny_models import train_tokenizer

PROMPT = "When Mary and John went to the store"


@pytest.fixture(scope="module")
def refused(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("refused")
    tokenizer = train_tokenizer()
    model = build("openai-gpt", {"vocab_size": len(tokenizer)})
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


def lens(folder: Path, prompt: Any = PROMPT, most: int = 48, session: Session | None = None) -> PlainLensResult:
    choice = ModelChoice(source=str(folder), dtype="float32", device="cpu")
    return (session or Session()).refused_lens(choice, prompt, "auto", top_k=3, most=most, watch=Watch())


def test_its_last_row_is_what_the_model_predicts(refused: Path) -> None:
    from transformers import AutoModelForCausalLM, AutoTokenizer

    with pytest.raises(TransparencyError) as caught:
        Session().load(str(refused), dtype="float32", device="cpu")
    assert caught.value.kind == "modelUnsupported"
    found = lens(refused)
    model: Any = AutoModelForCausalLM.from_pretrained(refused, dtype=torch.float32)
    tokenizer: Any = AutoTokenizer.from_pretrained(refused)
    ids = tokenizer(PROMPT, return_tensors="pt").input_ids
    with torch.no_grad():
        wanted = model(ids).logits[0].softmax(-1).topk(3)
    assert found.top[-1].tolist() == wanted.indices.tolist()
    assert torch.allclose(found.top_probability[-1], wanted.values, atol=1e-5)
    assert found.top.shape == (model.config.n_layer + 1, len(found.tokens), 3)
    assert "".join(found.tokens) == PROMPT
    assert found.texts[int(found.top[0, 0, 0])] == tokenizer.decode([int(found.top[0, 0, 0])])


def test_a_long_prompt_shows_its_end(refused: Path) -> None:
    whole, end = lens(refused), lens(refused, most=2)
    assert end.first == len(whole.tokens) - 2
    assert end.tokens == whole.tokens[-2:]
    assert torch.equal(end.top, whole.top[:, -2:])


def test_the_loaded_model_stays(refused: Path, tiny_llama_folder: Path) -> None:
    session = Session()
    model = session.load(str(tiny_llama_folder), dtype="float32", device="cpu")
    lens(refused, session=session)
    assert session.loaded == [model]


def test_a_chat_without_a_template_and_a_prompt_past_the_context_are_sentences(refused: Path) -> None:
    with pytest.raises(TransparencyError, match="chat template"):
        lens(refused, parse_chat("<|user|>\nHi"))
    with pytest.raises(TransparencyError, match=r"The prompt has [\d,]+ tokens; \S+ reads at most"):
        lens(refused, PROMPT * 400)
