"""C3: a configuration cannot name code that is fetched and run."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hostile_models import change_config

from lm_transparency import TransparencyError, analyze, load_model
from lm_transparency.model.refusals import unreadable
from lm_transparency.model.sources import Source

KERNEL = "evil/attention@main:run"


@pytest.fixture(autouse=True)
def fetched(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Records what would have been fetched, with the package `kernels` installed."""
    from transformers import modeling_utils
    from transformers.integrations import hub_kernels

    asked: list[str] = []

    def get_kernel(name: str, *_words: Any, **_more: Any) -> Any:
        asked.append(name)
        raise FileNotFoundError(name)

    for module in (modeling_utils, hub_kernels):
        monkeypatch.setattr(module, "is_kernels_available", lambda *_: True)
    monkeypatch.setattr(hub_kernels, "get_kernel", get_kernel)
    return asked


@pytest.mark.parametrize(
    "changes",
    [
        {"attn_implementation": KERNEL},
        {"_attn_implementation": KERNEL},
        {"_attn_implementation_internal": KERNEL},
        {"attn_implementation": {"": KERNEL}},
        {"attn_implementation": {"text_config": "evil/attention"}},
        {"text_config": {"_attn_implementation": KERNEL}},
        {"sub": [{"deep": {"attn_implementation": "paged|evil/attention"}}]},
        {"experts_implementation": "evil/experts"},
        {"_experts_implementation": "evil/experts"},
        {"use_kernels": True, "kernel_config": {"RMSNorm": "evil/norm:RMSNorm"}},
        {"kernel_config": {"kernel_mapping": {"RMSNorm": {"cpu": ["evil/norm"]}}}},
    ],
)
def test_code_on_the_hub_is_refused(copy: Path, fetched: list[str], changes: dict[str, Any]) -> None:
    change_config(copy, **changes)
    with pytest.raises(TransparencyError, match=r"names code to be fetched and run .*evil.*Remove that key") as caught:
        load_model(str(copy))
    assert caught.value.kind == "modelUnusable"
    assert fetched == []


@pytest.mark.parametrize(
    "word", ["eager", "sdpa", "flash_attention_2", "flash_attention_3", "flex_attention", "nonsense"]
)
@pytest.mark.parametrize("key", ["attn_implementation", "_attn_implementation"])
def test_a_word_of_transformers_own_is_left_aside(copy: Path, fetched: list[str], key: str, word: str) -> None:
    """Where its package is missing, transformers would fetch code in its place."""
    change_config(copy, **{key: word, "_experts_implementation": "grouped_mm"})
    model = load_model(str(copy))
    assert model.model.config._attn_implementation == "sdpa"  # pyright: ignore[reportPrivateUsage]
    assert analyze(model, "When Mary and John").proof.holds
    assert fetched == []


def test_no_remedy_is_a_package_that_fetches_code() -> None:
    said = ImportError("`kernels` is not installed. Please install it, e.g. `pip install kernels==0.10`")
    error = unreadable(Source("folder", "/models/x", "x"), said)
    assert error.kind == "modelUnusable"
    assert "pip install" not in str(error)
    assert error.remedy
