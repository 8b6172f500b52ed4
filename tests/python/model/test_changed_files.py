"""B5: a model whose files changed is loaded again with its tokenizer, and its earlier answers are dropped."""

from __future__ import annotations

import asyncio
import shutil
from concurrent.futures import Future
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from hostile_models import add_token, change_config

from lm_transparency import Session, TransparencyError, Watch
from lm_transparency.server.language import reader
from tiny_models import save_llama, train_tokenizer

PROMPT = "When Mary and John"


def overwrite(folder: Path, tokenizer: Any) -> None:
    """Put another model of the same shape in the same place."""
    shutil.rmtree(folder)
    torch.manual_seed(7)
    save_llama(folder, tokenizer, rope_theta=77.0)


def test_a_checkpoint_that_was_overwritten_is_loaded_again(copy: Path) -> None:
    session = Session()
    first = session.load(str(copy), device="cpu")
    assert session.load(str(copy), device="cpu") is first is session.current(str(copy))
    run_id, before = session.analyze(first, PROMPT)
    overwrite(copy, train_tokenizer(vocabulary=400))
    assert session.current(str(copy)) is None
    said: list[str] = []
    second = session.load(str(copy), device="cpu", watch=Watch(lambda stage, *_: said.append(stage)))
    assert second is not first
    assert "the files of copy have changed: loading it again" in said
    assert len(second.tokenizer) != len(first.tokenizer)
    assert not torch.equal(session.analyze(second, PROMPT)[1].trace.logits[-1][:99], before.trace.logits[-1][:99])
    with pytest.raises(TransparencyError, match="no longer holds this analysis"):
        session.run(run_id)
    assert session.load(str(copy), device="cpu") is second


def test_what_is_held_is_kept_while_its_files_are_gone_or_broken(copy: Path, tmp_path: Path) -> None:
    session = Session()
    model = session.load(str(copy), device="cpu")
    shutil.move(copy, tmp_path / "away")
    assert session.load(str(copy), device="cpu") is model
    shutil.move(tmp_path / "away", copy)
    assert session.load(str(copy), device="cpu") is model
    change_config(copy, model_type="zorglub")
    with pytest.raises(TransparencyError, match="neither a causal language model"):
        session.load(str(copy), device="cpu")
    assert session.loaded == [model]
    change_config(copy, model_type="llama")
    assert session.load(str(copy), device="cpu") is not model


def test_the_base_of_an_adapter_counts(copy: Path, tmp_path: Path) -> None:
    pytest.importorskip("peft")
    from weights import save_adapter

    session = Session()
    adapter = save_adapter(copy, tmp_path / "adapter")
    model = session.load(str(adapter), device="cpu")
    assert session.load(str(adapter), device="cpu") is model
    change_config(copy, some_key=1)
    assert session.load(str(adapter), device="cpu") is not model


def test_an_editor_s_tokens_follow_the_tokenizer(copy: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reader, "_LOOK_S", 0.0)

    async def tokens() -> list[list[str]]:
        ready: Future[Any] = Future()
        ready.set_result(None)
        backend: Any = SimpleNamespace(
            health=SimpleNamespace(loaded=[]), loaded=lambda _: None, start=lambda: asyncio.wrap_future(ready)
        )
        reads = reader.Reader(backend)
        text = reader.Text(str(copy), "a <big> b", False, "none")
        found: list[list[str]] = []
        for _ in range(2):
            for _ in range(2):
                said = await reads.tokens(text)
                assert said is not None
                found.append([token.text for token in said.tokens])
            add_token(copy, "<big>", len(said.vocabulary.tokenizer))
        return found

    first, again, second, last = asyncio.run(tokens())
    assert first == again and "<big>" not in first
    assert second == last and "<big>" in second
