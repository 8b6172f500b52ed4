"""C5: model files that would hang or fill memory are refused within seconds; cancelling is answered at once."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import psutil
import pytest
import torch
from hostile_models import PANICS, change_config, change_json, change_tokenizer, split_by
from torch import nn

from lm_transparency import Cancelled, TransparencyError, Watch, analyze, load_model, parse_chat
from lm_transparency.model import templates, validation
from lm_transparency.model.chat import encode_chat
from lm_transparency.model.construction import Held, building
from lm_transparency.model.tokenizers import load_tokenizer

HUGE = 10**9

PADDING = {"strategy": {"Fixed": HUGE}, "direction": "Right", "pad_id": 0, "pad_type_id": 0, "pad_token": "<s>"}


def replaced(what: str, content: str) -> dict[str, Any]:
    return {"type": "Replace", "pattern": {"String": what}, "content": content}


def replaced_found(pattern: str, content: str) -> dict[str, Any]:
    return {"type": "Replace", "pattern": {"Regex": pattern}, "content": content}


@pytest.fixture(autouse=True)
def nothing_known(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A fresh file of checked models, and limits far above the needs of an ordinary model."""
    from lm_transparency.isolation import Limits

    monkeypatch.setattr(validation, "_file", lambda: tmp_path / "checked.json")
    monkeypatch.setattr(validation, "_LIMITS", Limits(seconds=2, memory_bytes=250_000_000))
    monkeypatch.setattr(templates, "_LIMITS", replace(templates._LIMITS, seconds=2))  # pyright: ignore[reportPrivateUsage]


def refused(work: Callable[[], Any], words: str = "") -> None:
    """Assert a refusal with a sentence and a remedy, and little memory use in this process."""
    before = psutil.Process().memory_info().rss
    with pytest.raises(TransparencyError, match=words) as caught:
        work()
    assert caught.value.remedy
    assert psutil.Process().memory_info().rss - before < 400_000_000


@pytest.mark.parametrize(
    "changes",
    [
        {"num_labels": HUGE},
        {"num_hidden_layers": HUGE},
        {"num_hidden_layers": 10**6},
        {"hidden_size": 10**7, "num_attention_heads": 10**6},
        {"vocab_size": HUGE},
        {"intermediate_size": HUGE},
        {"head_dim": 10**8},
        {"model_type": "qwen2", "num_hidden_layers": HUGE},
        {"model_type": "mixtral", "num_local_experts": HUGE},
        {"model_type": "qwen2_moe", "num_experts": 10**6},
        {"model_type": "gpt_neo", "attention_types": [[["global", "local"] * 1000, 10**6]], "num_layers": 3},
        {"model_type": "gpt_neo", "attention_types": [[["global"], HUGE]], "num_layers": 3},
    ],
    ids=lambda changes: " ".join(f"{key}" for key in changes),
)
def test_a_configuration_that_asks_for_too_much_is_refused(copy: Path, changes: dict[str, Any]) -> None:
    change_config(copy, **changes)
    refused(lambda: load_model(str(copy), anyway=True))


def build(make: Callable[[], Any], watch: Watch | None = None) -> None:
    with torch.device("meta"), building("x", Held(10, 1000), watch or Watch()):
        make()


def test_what_is_built_is_held_against_the_files() -> None:
    build(lambda: [nn.Linear(8, 8) for _ in range(100)])
    with pytest.raises(TransparencyError, match="asks for more than its files hold"):
        build(lambda: nn.Linear(1 << 20, 1 << 10))
    with pytest.raises(TransparencyError, match="asks for more than its files hold"):
        build(lambda: nn.ModuleList(nn.Identity() for _ in range(HUGE)))
    watch = Watch()
    watch.cancel()
    with pytest.raises(Cancelled):
        build(lambda: nn.ModuleList(nn.Identity() for _ in range(1000)), watch)
    # and afterwards nothing is counted
    nn.ModuleList(nn.Identity() for _ in range(1000))


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"normalizer": replaced("q", "x" * 10**5)}, "multiplies texts"),
        (
            {
                "normalizer": {
                    "type": "Sequence",
                    "normalizers": [
                        {"type": "Replace", "pattern": {"String": c}, "content": d * 30} for c, d in ("ab", "bc", "cd")
                    ],
                }
            },
            "multiplies texts",
        ),
        ({"normalizer": {"type": "Prepend", "prepend": "x" * 10**6}}, "multiplies texts"),
        # each doubles a letter: what is found is nothing, and the letter stays
        ({"normalizer": {"type": "Sequence", "normalizers": [replaced_found("(?<=q)", "q")] * 12}}, "multiplies texts"),
        ({"decoder": replaced("a", "x" * 10**6)}, "multiplies texts"),
        ({"pre_tokenizer": split_by(PANICS)}, "cannot be used: .*retry-limit"),
        ({"pre_tokenizer": split_by("(x+x+)+y")}, "cannot be used"),
        ({"normalizer": {"type": "Replace", "pattern": {"Regex": "(9+)+z"}, "content": ""}}, "cannot be used"),
        (
            {
                "padding": {
                    "strategy": {"Fixed": HUGE},
                    "direction": "Right",
                    "pad_id": 0,
                    "pad_type_id": 0,
                    "pad_token": "<s>",
                }
            },
            "",
        ),
    ],
)
def test_a_tokenizer_that_multiplies_or_panics_is_refused(copy: Path, changes: dict[str, Any], words: str) -> None:
    change_tokenizer(copy, **changes)
    if not words:
        # harmless as transformers reads it
        assert analyze(load_model(str(copy)), "hello").proof.holds
        return
    refused(lambda: load_model(str(copy)), words)
    # editors read it without the model
    refused(lambda: load_tokenizer(copy), words)


def test_what_reading_a_tokenizer_takes_is_tried_too(copy: Path) -> None:
    """transformers adds tokens one by one, in quadratic time."""
    words = [f"x{i}" for i in range(200_000)]
    change_json(copy / "tokenizer_config.json", lambda config: config.update(additional_special_tokens=words))
    refused(lambda: load_tokenizer(copy), "took more than 2 s of processor time")


@pytest.mark.parametrize("name", ["config.json", "tokenizer_config.json", "generation_config.json"])
def test_a_small_file_that_is_large_is_not_read(copy: Path, name: str) -> None:
    change_json(copy / name, lambda config: config.update(words=["full_attention"] * 1_000_000))
    refused(lambda: load_model(str(copy)), f"The {name} of copy has .* bytes; up to")


def test_a_model_of_any_size_is_not_made_of_nothing(copy: Path) -> None:
    (copy / "model.safetensors").write_bytes((2).to_bytes(8, "little") + b"{}")
    refused(lambda: load_model(str(copy)), "The files of copy hold no weights")
    # without weights transformers would build the family's default: 7 billion numbers
    key, said = b"general.architecture", b"llama"
    entry = b"".join([len(key).to_bytes(8, "little"), key, (8).to_bytes(4, "little"), len(said).to_bytes(8, "little")])
    counts = (3).to_bytes(4, "little") + (0).to_bytes(8, "little") + (1).to_bytes(8, "little")
    file = copy / "nothing.gguf"
    file.write_bytes(b"GGUF" + counts + entry + said)
    refused(lambda: load_model(str(file)), "The files of nothing hold no weights")


TEMPLATES = {
    "output": "{{ 'x' * 10**9 }}",
    "width": "{{ '%1000000000d' % 1 }}",
    "format": "{{ '{:1000000000d}'.format(1) }}",
    "power": "{{ 10 ** (10 ** 8) }}",
    "loops": "{% for a in range(99999) %}{% for b in range(99999) %}{% endfor %}{% endfor %}",
    "list": "{{ [0] * 10**10 }}",
    "more than it may answer": "{% for a in range(40) %}{{ 'x' * 1000000 }}{% endfor %}",
    "recursion": "{% macro a() %}{{ a() }}{% endmacro %}{{ a() }}",
    "escape": "{{ ''.__class__.__mro__[1].__subclasses__() }}",
}


@pytest.mark.parametrize("template", TEMPLATES.values(), ids=TEMPLATES.keys())
def test_a_chat_template_that_takes_too_much_is_refused(tiny_tokenizer: Any, template: str) -> None:
    import copy

    tokenizer = copy.deepcopy(tiny_tokenizer)
    tokenizer.chat_template = template
    refused(lambda: encode_chat(tokenizer, parse_chat("<|user|>\nhello")), "chat template")
    tokenizer.chat_template = "{% for m in messages %}{{ bos_token }}{{ m.content }}{% endfor %}"
    assert "".join(t.text for t in encode_chat(tokenizer, parse_chat("<|user|>\nhello"))) == "<s>hello"


def test_a_load_is_called_off_while_its_files_are_checked(copy: Path) -> None:
    change_config(copy, model_type="qwen2", num_hidden_layers=HUGE)
    watch = Watch()
    threading.Timer(0.5, watch.cancel).start()
    began = time.monotonic()
    with pytest.raises(Cancelled):
        load_model(str(copy), watch=watch)
    assert time.monotonic() - began < 2.5


def test_a_model_is_checked_once_for_each_state_of_its_files(copy: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []
    real = validation.run_isolated
    monkeypatch.setattr(validation, "run_isolated", lambda task, *w, **m: (asked.append(task), real(task, *w, **m))[1])
    for _ in range(2):
        load_model(str(copy))
    assert asked == ["lm_transparency.model.probe:probe"]
    monkeypatch.setattr(validation, "_known", {})
    load_model(str(copy))
    assert len(asked) == 1
    change_config(copy, some_key=1)
    load_model(str(copy))
    assert len(asked) == 2


def test_the_embedded_model_is_not_checked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(validation, "run_isolated", lambda *_w, **_m: pytest.fail("it was"))
    load_model()


@pytest.mark.parametrize(
    "changes",
    [
        {"target_modules": "(([a-z_.0-9])+)+!"},
        {"rank_pattern": {"(([a-z_.0-9])+)+!": 4}},
        {"layer_replication": [[0, HUGE]]},
        {"layer_replication": [[0, 5]] * 10_000},
        {"layer_replication": [["a", {}]]},
        {"r": HUGE},
    ],
    ids=lambda changes: next(iter(changes)),
)
def test_an_adapter_that_asks_for_too_much_is_refused(
    tiny_llama_folder: Path, tmp_path: Path, changes: dict[str, Any]
) -> None:
    pytest.importorskip("peft")
    from weights import save_adapter

    folder = save_adapter(tiny_llama_folder, tmp_path / "adapter")
    config = json.loads((folder / "adapter_config.json").read_text())
    (folder / "adapter_config.json").write_text(json.dumps({**config, **changes}))
    refused(lambda: load_model(str(folder), base=str(tiny_llama_folder)))
