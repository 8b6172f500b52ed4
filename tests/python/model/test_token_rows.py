"""B4: a token id without an embedding row gives a sentence, also in `doctor`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hostile_models import add_token, change_json

from lm_transparency import LoadedModel, TransparencyError, analyze, load_model
from lm_transparency.inspection.diagnosis import examine
from lm_transparency.lens.plain import plain_lens
from lm_transparency.model.token_ids import check_token_ids
from lm_transparency.session.session import Session


@pytest.fixture
def short(copy: Path) -> LoadedModel:
    """A model whose tokenizer knows more tokens than its embedding has rows, as after add_tokens without resizing."""
    n_rows = load_model(str(copy)).n_rows
    for token_id in range(len(load_model(str(copy)).tokenizer), n_rows + 3):
        add_token(copy, f"<new{token_id}>", token_id)
    return load_model(str(copy))


@pytest.mark.parametrize("ids", [[-1], [7], [0, 6, 1 << 40]])
def test_an_id_without_a_row_is_refused(ids: list[int]) -> None:
    with pytest.raises(
        TransparencyError, match=rf"the token id {ids[-1]}, and the model's embedding has 7 rows"
    ) as caught:
        check_token_ids(ids, 7)
    assert caught.value.kind == "modelUnusable"
    assert caught.value.remedy
    check_token_ids([0, 6], 7)


def test_a_prompt_with_such_a_token_is_refused_everywhere(short: LoadedModel) -> None:
    text = f"hello <new{short.n_rows}> there"
    import torch

    ids = torch.tensor(short.tokenizer(text).input_ids)
    assert int(ids.max()) == short.n_rows
    session = Session()
    for ask in (analyze, session.analyze, session.begin, session.estimate):
        with pytest.raises(TransparencyError, match=f"the token id {short.n_rows}, and"):
            ask(short, text)
    with pytest.raises(TransparencyError, match="rows"):
        plain_lens(short.model, ids)
    assert analyze(short, f"hello <new{short.n_rows - 1}> there").proof.holds


def test_doctor_says_it(short: LoadedModel, tiny_llama: LoadedModel) -> None:
    findings = examine(short, "hello there")
    assert findings.without_a_row == tuple(range(short.n_rows, short.n_rows + 3))
    said = "\n".join(findings.sentences())
    assert f"3 tokens of the tokenizer, from id {short.n_rows} on, without an embedding" in said
    assert said.endswith("can be trusted for prompts without these tokens.")
    assert findings.as_dict()["without_a_row"] == findings.without_a_row
    assert examine(tiny_llama, "hello there").sentences()[-1] == "The routes of this model can be trusted."


@pytest.mark.parametrize("token_id", [10**9, 10**30, -1, "x"])
def test_an_added_token_with_an_absurd_id_is_a_sentence_or_harmless(copy: Path, token_id: Any) -> None:
    add_token(copy, "<big>", token_id)
    said: list[TransparencyError] = []
    try:
        assert analyze(load_model(str(copy)), "a <big> b").proof.holds
    except TransparencyError as error:
        said.append(error)
    assert all(error.kind == "modelUnusable" and error.remedy for error in said)


def test_a_vocabulary_with_an_absurd_id_is_a_sentence(copy: Path) -> None:
    change_json(copy / "tokenizer.json", lambda t: t["model"]["vocab"].update({"a": 4_000_000_000}))
    with pytest.raises(TransparencyError) as caught:
        analyze(load_model(str(copy)), "a b a")
    assert caught.value.remedy
