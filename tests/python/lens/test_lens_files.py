"""Lenses of others and our own are read, and what is no lens of this model is refused with the reason."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file

from lm_transparency.errors import TransparencyError
from lm_transparency.lens.files import read_fit, read_lens, write_fit
from lm_transparency.lens.fitting import JacobianSum

D, LAYERS = 5, 3
SETTINGS = {"tokens": 6, "seed": 1}


def numbers(seed: int, *shape: int) -> torch.Tensor:
    return torch.randn(*(shape or (D, D)), generator=torch.Generator().manual_seed(seed))


def a_fit() -> JacobianSum:
    rows = range(LAYERS)
    return JacobianSum(D, LAYERS, (3, 4, 5, 9), {row: 4 * numbers(row) for row in rows}, dict.fromkeys(rows, 50.0))


def read(path: Path, fingerprint: str = "one") -> Any:
    return read_lens(path, d_model=D, n_layers=LAYERS, fingerprint=fingerprint)


def test_a_fit_is_read_as_a_lens_and_goes_on(tmp_path: Path) -> None:
    file = tmp_path / "own.safetensors"
    write_fit(file, a_fit(), fingerprint="one", model="tiny", settings=SETTINGS)
    lens = read(file)
    state = numbers(9, 2, D)
    assert (lens.kind, lens.notes) == ("jacobian", ())
    torch.testing.assert_close(lens.read(state, 1), state @ numbers(1).T)
    # the last row is the model's own
    assert lens.read(state, LAYERS) is state
    again = read_fit(file, fingerprint="one", settings=SETTINGS)
    assert (again.sequences, again.squares) == ((3, 4, 5, 9), a_fit().squares)
    torch.testing.assert_close(again.sums[2], a_fit().sums[2])
    with pytest.raises(TransparencyError, match="lens of another model: it was fitted on tiny, whose weights differ"):
        read(file, "other")
    with pytest.raises(TransparencyError, match="fitted with other settings"):
        read_fit(file, fingerprint="one", settings=SETTINGS | {"seed": 2})


def test_a_jacobian_lens_in_the_public_layout(tmp_path: Path) -> None:
    file = tmp_path / "lens.pt"
    matrices = {layer: numbers(layer).half() for layer in (0, 1)}
    torch.save({"J": matrices, "n_prompts": 10, "d_model": D, "source_layers": [0, 1]}, file)
    lens, state = read(file), numbers(9, D)
    assert lens.kind == "jacobian"
    # layer 0 is the state after the first layer
    torch.testing.assert_close(lens.read(state, 1), matrices[0].float() @ state)
    assert lens.read(state, 0) is state
    assert lens.notes == ("lens.pt has no map for the embedding: read as by the logit lens.",)


@pytest.mark.parametrize("prefix", ["", "layer_translators."])
@pytest.mark.parametrize("bias", [True, False])
def test_a_tuned_lens_in_the_public_layout(tmp_path: Path, prefix: str, bias: bool) -> None:
    config = {"d_model": D, "num_hidden_layers": LAYERS, "bias": bias, "lens_type": "linear_tuned_lens"}
    (tmp_path / "config.json").write_text(json.dumps(config))
    parts = {f"{prefix}{layer}.weight": numbers(layer) for layer in range(LAYERS)}
    biases = {f"{prefix}{layer}.bias": numbers(layer + 7, D) for layer in range(LAYERS)} if bias else {}
    torch.save(parts | biases, tmp_path / "params.pt")
    lens, state = read(tmp_path), numbers(9, D)
    assert (lens.kind, lens.notes) == ("tuned", ())
    right = state + numbers(2) @ state + (numbers(9, D) if bias else 0)
    torch.testing.assert_close(lens.read(state, 2), right)
    assert lens.read(state, LAYERS) is state


class _Code:
    def __reduce__(self) -> Any:
        return os.system, ("touch /tmp/lens-ran-code",)


def _config(folder: Path, **said: Any) -> None:
    (folder / "config.json").write_text(json.dumps({"num_hidden_layers": LAYERS} | said))


def _tuned(folder: Path, state: Any, **said: Any) -> Path:
    _config(folder, **said)
    torch.save(state, folder / "params.pt")
    return folder


def _saved(content: Any) -> Callable[[Path], Path]:
    def make(folder: Path) -> Path:
        torch.save(content, folder / "x.pt")
        return folder / "x.pt"

    return make


def _written(name: str, content: bytes) -> Callable[[Path], Path]:
    def make(folder: Path) -> Path:
        (folder / name).write_bytes(content)
        return folder / name

    return make


def _plain_safetensors(folder: Path) -> Path:
    save_file({"row.0": numbers(0)}, folder / "x.safetensors")
    return folder / "x.safetensors"


REFUSED: dict[str, tuple[Callable[[Path], Path], str]] = {
    "code": (_saved({"J": _Code()}), "holds more than tensors"),
    "no J": (_saved({"K": {}}), "it holds no J"),
    "a list": (_saved([1, 2]), "it holds no J"),
    "names": (_saved({"J": {"a": numbers(0)}}), "not one matrix for each layer"),
    "oblong": (_saved({"J": {0: numbers(0, D, 2)}}), "not square"),
    "two sizes": (_saved({"J": {0: numbers(0), 1: numbers(0, 2, 2)}}), "not square and of one size"),
    "not finite": (_saved({"J": {0: torch.full((D, D), float("nan"))}}), "not finite"),
    "other width": (_saved({"J": {0: numbers(0, 2, 2)}}), "another model: its d_model is 2, the model's 5"),
    "deeper": (_saved({"J": {7: numbers(0)}}), "another model: it reads layer 7, the model has 3 layers"),
    "damaged": (_written("x.pt", b"PK\x03\x04 nothing"), "damaged"),
    "empty": (_written("x.safetensors", b""), "damaged"),
    "not ours": (_plain_safetensors, "no lens of ours"),
    "missing": (lambda folder: folder / "none.pt", "No such file"),
    "a bare folder": (lambda folder: folder, "config.json cannot be read: No such file"),
    "another type": (lambda folder: _tuned(folder, {}, lens_type="x"), "no linear tuned lens"),
    "no weights": (lambda folder: _tuned(folder, {"0.bias": numbers(0, D)}), "no weight for each layer"),
    "other depth": (
        lambda folder: _tuned(folder, {"0.weight": numbers(0)}, num_hidden_layers=9),
        "another model: it is for 9 layers, the model has 3",
    ),
}


@pytest.mark.parametrize(("make", "why"), REFUSED.values(), ids=REFUSED.keys())
def test_what_is_no_lens_of_this_model_is_refused(make: Callable[[Path], Path], why: str, tmp_path: Path) -> None:
    with pytest.raises(TransparencyError, match=why):
        read(make(tmp_path))
    assert not os.path.exists("/tmp/lens-ran-code")
