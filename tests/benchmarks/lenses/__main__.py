"""Fit lenses of several sizes, measure what they read, and write docs/lenses.md: `make lenses`.

Fits are kept in build/lenses/, so that a run that was stopped goes on.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from pathlib import Path
from pydoc_data.topics import topics

import torch
from torch import Tensor

from lm_transparency import LoadedModel, Watch, load_model
from lm_transparency.lens.files import read_fit, write_fit
from lm_transparency.lens.fitting import JacobianSum, add_sequences
from lm_transparency.lens.maps import LOGIT, LensMaps
from lm_transparency.lens.sequences import pieces, sampled

from .page import write_page
from .reading import hidden_words, read_hops, readings

ROOT = Path(__file__).resolve().parents[3]
KEPT = ROOT / "build" / "lenses"
TOKENS, BATCH = 64, 8
#: Held-out text: pages of this project.
HELD_OUT = ("README.md", "docs/method.md", "docs/remote.md", "docs/security.md")


def main() -> None:
    parser = argparse.ArgumentParser(prog="lenses", description=__doc__)
    parser.add_argument("--own", default="2,8,32,128", help="sizes of fits on sequences sampled from the model")
    parser.add_argument("--text", default="8,32", help="sizes of fits on text (Python's manual)")
    parser.add_argument("--pieces", type=int, default=24, help="pieces of held-out text")
    arguments = parser.parse_args()
    model = load_model(dtype="float32")
    text = pieces(model.tokenizer, topics.values(), TOKENS)
    sources: dict[str, Callable[[list[int]], Tensor]] = {
        "own": lambda numbers: sampled(model.model, model.tokenizer, numbers, TOKENS),
        "text": lambda numbers: text[numbers],
    }
    fits: dict[str, JacobianSum] = {}
    for source, make in sources.items():
        sizes = [int(size) for size in getattr(arguments, source).split(",") if size]
        fits |= {f"{source}, {n}": _fit(model, source, make, n) for n in sorted(sizes)}
    lenses: dict[str, LensMaps] = {"logit": LOGIT, **{name: fit.maps(name) for name, fit in fits.items()}}
    held_out = pieces(model.tokenizer, [(ROOT / name).read_text("utf-8") for name in HELD_OUT], TOKENS)
    write_page(
        model,
        fits,
        hidden_words(model, read_hops(model), lenses),
        readings(model, held_out[:: max(1, len(held_out) // arguments.pieces)], lenses),
    )


def _fit(model: LoadedModel, source: str, make: Callable[[list[int]], Tensor], n: int) -> JacobianSum:
    """The first `n` sequences; smaller fits are part of larger ones."""
    KEPT.mkdir(parents=True, exist_ok=True)
    settings = {"source": source, "tokens": TOKENS, "version": 1}
    anatomy = model.anatomy
    total = JacobianSum(anatomy.d_model, len(anatomy.blocks))
    kept = sorted(KEPT.glob(f"{source}-*.safetensors"), key=lambda file: -int(file.stem.split("-")[1]))
    for file in kept:
        if int(file.stem.split("-")[1]) <= n:
            total = read_fit(file, fingerprint=model.files, settings=settings)
            break
    while total.n_sequences < n:
        started, numbers = time.time(), list(range(total.n_sequences, min(n, total.n_sequences + BATCH)))
        total = add_sequences(total, model.model, anatomy, make(numbers), numbers, Watch())
        file = KEPT / f"{source}-{total.n_sequences}.safetensors"
        write_fit(file, total, fingerprint=model.files, model=model.name, settings=settings)
        print(f"{source}: {total.n_sequences} of {n} sequences, {time.time() - started:.0f} s", flush=True)
    return total


if __name__ == "__main__":
    torch.manual_seed(0)
    main()
