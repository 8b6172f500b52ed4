"""C6: any failure of native code in a tokenizer or a parser becomes one sentence."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hostile_models import PANICS, change_tokenizer, split_by

from lm_transparency import Cancelled, TransparencyError, analyze, load_model, parse_chat
from lm_transparency.model import loading
from lm_transparency.model.native import answered
from lm_transparency.model.tokens import encode
from lm_transparency.model.vocabulary import vocabulary_text


class Panic(BaseException):
    """Stands in for pyo3's PanicException."""


def panic(*_words: Any, **_more: Any) -> Any:
    raise Panic("index out of bounds: the len is 3\nnote: run with RUST_BACKTRACE=1")


def refused(work: Callable[[], Any], words: str) -> None:
    with pytest.raises(TransparencyError, match=words) as caught:
        work()
    assert caught.value.kind in ("modelUnusable", "invalidPrompt")
    assert caught.value.remedy
    assert "\n" not in str(caught.value)


def test_a_pattern_that_panics_is_a_sentence(copy: Path) -> None:
    change_tokenizer(copy, pre_tokenizer=split_by(PANICS))
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(copy)
    refused(lambda: encode(tokenizer, "a" * 60), r"The model's tokenizer fails on this prompt: .*retry-limit")


class Broken:
    """A tokenizer that panics at every use."""

    chat_template = "x"
    __call__ = convert_ids_to_tokens = decode = apply_chat_template = panic


def test_encoding_decoding_and_chats_answer_a_panic() -> None:
    refused(lambda: encode(Broken(), "hello"), "fails on this prompt: index out of bounds: the len is 3")
    refused(lambda: vocabulary_text(Broken(), 3), "fails on an entry of its vocabulary: index out of bounds")
    from lm_transparency.model.chat import encode_chat

    refused(lambda: encode_chat(Broken(), parse_chat("<|user|>\nhello")), "chat template refuses this chat: index")


@pytest.mark.parametrize("where", ["AutoConfig", "AutoTokenizer", "auto_class", "attach"])
def test_loading_answers_a_panic(tiny_llama_folder: Path, monkeypatch: pytest.MonkeyPatch, where: str) -> None:
    from lm_transparency.model import refusals

    if where == "AutoTokenizer":
        monkeypatch.setattr(refusals.AutoTokenizer, "from_pretrained", panic)
    elif where == "AutoConfig":
        monkeypatch.setattr(loading.AutoConfig, "from_pretrained", panic)
    else:
        monkeypatch.setattr(loading, "auto_class", panic)
    refused(lambda: load_model(str(tiny_llama_folder)), "index out of bounds: the len is 3")


@pytest.mark.parametrize("error", [KeyboardInterrupt, SystemExit, Cancelled, GeneratorExit])
def test_what_stops_work_is_no_failure(
    tiny_llama_folder: Path, monkeypatch: pytest.MonkeyPatch, error: type[BaseException]
) -> None:
    def stop(*_words: Any, **_more: Any) -> Any:
        raise error

    with pytest.raises(error), answered("It fails", "Do something."):
        stop()
    monkeypatch.setattr(loading.AutoConfig, "from_pretrained", stop)
    with pytest.raises(error):
        load_model(str(tiny_llama_folder))


def test_a_lack_of_memory_stays_one() -> None:
    with pytest.raises(MemoryError), answered("It fails", "Do something."):
        raise MemoryError


def test_a_prompt_that_panics_leaves_the_model_as_it_was(copy: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loading, "validate", lambda *_words, **_more: None)
    change_tokenizer(copy, pre_tokenizer=split_by(PANICS))
    model = load_model(str(copy))
    refused(lambda: analyze(model, "a" * 60), "fails on this prompt")
    assert analyze(model, "b c d").proof.holds


def test_what_editors_use_imports_neither_torch_nor_transformers() -> None:
    """The server answers before they are imported."""
    import subprocess
    import sys

    program = "import sys, lm_transparency.server.language.reader; print({'torch', 'transformers'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout == "set()\n"
