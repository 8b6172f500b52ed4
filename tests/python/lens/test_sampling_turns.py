"""A fit leaves the model to others between two tokens that it samples."""

from __future__ import annotations

from pathlib import Path
from threading import Thread

import pytest
import torch

from lm_transparency import Watch, analyze, load_model
from lm_transparency.errors import Cancelled
from lm_transparency.lens.material import material
from lm_transparency.lens.plan import Plan


def test_others_may_use_the_model_between_two_tokens(tiny_llama_folder: Path) -> None:
    model = load_model(str(tiny_llama_folder), dtype="float32", device="cpu")
    steps: list[tuple[str, int, int]] = []

    def meanwhile(stage: str, done: int, total: int) -> None:
        steps.append((stage, done, total))
        # on another thread, as a person's question is
        other = Thread(target=lambda: analyze(model, "hello there"))
        other.start()
        other.join(60)
        assert not other.is_alive()

    found = material(model, Plan(tokens=4, skip=1), Watch(meanwhile)).of([3])
    assert steps == [("sampling", n, 4) for n in (1, 2, 3)]
    assert torch.equal(found, material(model, Plan(tokens=4, skip=1), Watch()).of([3]))
    watch = Watch()
    watch.cancel()
    with pytest.raises(Cancelled):
        material(model, Plan(tokens=4, skip=1), watch).of([3])
    assert analyze(model, "hello there")
