"""Models for the tests of the Python core, made or loaded once per session."""

from __future__ import annotations

import gc
import os

# read when torch is loaded: threads that wait for one another sleep, where others need the cores too
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
os.environ.setdefault("HF_HUB_OFFLINE", "1")
if not os.path.exists("/dev/nvidiactl"):
    # read when Triton is loaded, which transformers does: without a GPU its kernels are interpreted
    os.environ["TRITON_INTERPRET"] = "1"

from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, settings

# imports torch when it is asked for something: the process that gives tests to workers does not wait for it
import lm_transparency as lt
from lm_transparency.model.embedded import cache_directory, model_directory
from prompts import IOI

if TYPE_CHECKING:
    from lm_transparency import Analysis, LoadedModel

settings.register_profile(
    "core", deadline=None, derandomize=True, max_examples=60, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("core")

# what tests import stays: looking through it meanwhile takes a quarter of the time
gc.disable()


def pytest_collection_finish() -> None:
    """Modules and tests stay. A collection, which each release of a model asks for, need not look through them."""
    from lm_transparency.routes.kernels import use_cache_directory

    use_cache_directory(cache_directory() / "kernels")
    gc.collect()
    gc.freeze()
    gc.enable()


def pytest_unconfigure() -> None:
    # bindings report what is left at the end of the process
    gc.unfreeze()


@pytest.fixture(scope="session")
def embedded() -> LoadedModel:
    """The embedded SmolLM2-135M-Instruct, float32 on the CPU."""
    return lt.load_model(dtype="float32", device="cpu")


@pytest.fixture(scope="session")
def embedded_folder(embedded: LoadedModel) -> Path:
    return model_directory()


@pytest.fixture
def loaded_once(embedded: LoadedModel, monkeypatch: pytest.MonkeyPatch) -> None:
    """A session in this process that is asked for the embedded model takes the one of the tests."""
    usual = {"dtype": ("auto", "float32"), "device": ("auto", "cpu"), "quantization": ("auto",), "base": ("",)}

    def load(source: str = "", **options: Any) -> LoadedModel:
        is_usual = not source and all(options.get(name, values[0]) in values for name, values in usual.items())
        return embedded if is_usual else lt.load_model(source, **options)

    monkeypatch.setattr("lm_transparency.session.session.load_model", load)


@pytest.fixture(scope="session")
def ioi(embedded: LoadedModel) -> Analysis:
    """The IOI sentence on the embedded model, with a beginning-of-sequence token."""
    return lt.analyze(embedded, IOI, special_tokens="bos")


@pytest.fixture(scope="session")
def tiny_tokenizer() -> Any:
    """A byte-level BPE with `<s>` and `</s>`; some of its tokens end inside a character."""
    from tiny_models import train_tokenizer

    return train_tokenizer()


@pytest.fixture(scope="session")
def tiny_gpt2_folder(tmp_path_factory: pytest.TempPathFactory, tiny_tokenizer: Any) -> Path:
    from tiny_models import save_gpt2

    return save_gpt2(tmp_path_factory.mktemp("models") / "tiny-gpt2", tiny_tokenizer)


@pytest.fixture(scope="session")
def tiny_llama_folder(tmp_path_factory: pytest.TempPathFactory, tiny_tokenizer: Any) -> Path:
    from tiny_models import save_llama

    return save_llama(tmp_path_factory.mktemp("models") / "tiny-llama", tiny_tokenizer)


@pytest.fixture(scope="session")
def tiny_gpt2(tiny_gpt2_folder: Path) -> LoadedModel:
    """GPT-2's architecture with biases: 5 layers, 5 heads, d_model 40."""
    return lt.load_model(str(tiny_gpt2_folder), dtype="float32", device="cpu")


@pytest.fixture(scope="session")
def tiny_llama(tiny_llama_folder: Path) -> LoadedModel:
    """Llama's architecture with grouped queries and biases: 6 layers, 6 heads on 2, d_model 48."""
    return lt.load_model(str(tiny_llama_folder), dtype="float32", device="cpu")


@pytest.fixture(scope="session")
def tiny_mistral(tmp_path_factory: pytest.TempPathFactory, tiny_tokenizer: Any) -> LoadedModel:
    """Mistral's architecture with a window of 5 tokens: 3 layers, 4 heads on 1, d_model 32."""
    from tiny_models import save_mistral

    folder = save_mistral(tmp_path_factory.mktemp("models") / "tiny-mistral", tiny_tokenizer)
    return lt.load_model(str(folder), dtype="float32", device="cpu")


@pytest.fixture(scope="session")
def tiny_gpt2_bf16(tiny_gpt2_folder: Path) -> LoadedModel:
    return lt.load_model(str(tiny_gpt2_folder), dtype="bfloat16", device="cpu")


@pytest.fixture(scope="session")
def tiny_llama_bf16(tiny_llama_folder: Path) -> LoadedModel:
    return lt.load_model(str(tiny_llama_folder), dtype="bfloat16", device="cpu")


@pytest.fixture(params=["embedded", "tiny_gpt2", "tiny_llama"])
def any_model(request: pytest.FixtureRequest) -> LoadedModel:
    """Each float32 model in turn."""
    return request.getfixturevalue(request.param)


@pytest.fixture(params=["tiny_gpt2", "tiny_llama"])
def tiny(request: pytest.FixtureRequest) -> LoadedModel:
    """Each tiny float32 model in turn."""
    return request.getfixturevalue(request.param)


@pytest.fixture
def no_hub(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """An empty Hugging Face cache."""
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "hub"))
    return tmp_path / "hub"
