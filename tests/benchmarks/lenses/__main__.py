"""Fit lenses of several sizes, measure what they read, and write docs/lenses.md: `make lenses`.

Fits are kept in build/lenses/, so that a run that was stopped goes on.
"""

from __future__ import annotations

import argparse
import shutil
import time
from pathlib import Path
from pydoc_data.topics import topics

import torch

from lm_transparency import LoadedModel, load_model
from lm_transparency.lens.files import Fit
from lm_transparency.lens.fits import Kept, fit_lens
from lm_transparency.lens.maps import LOGIT, LensMaps
from lm_transparency.lens.plan import Plan
from lm_transparency.lens.sequences import pieces

from .page import write_page
from .reading import hidden_words, read_hops, readings

ROOT = Path(__file__).resolve().parents[3]
KEPT = ROOT / "build" / "lenses"
TOKENS = 64
#: Held-out text: pages of this project.
HELD_OUT = ("README.md", "docs/method.md", "docs/remote.md", "docs/security.md")


def main() -> None:
    parser = argparse.ArgumentParser(prog="lenses", description=__doc__)
    parser.add_argument("--own", default="2,8,32,128", help="sizes of fits on sequences sampled from the model")
    parser.add_argument("--text", default="8,32", help="sizes of fits on text (Python's manual)")
    parser.add_argument("--tuned", default="64", help="sizes of fits of a tuned lens, on both")
    parser.add_argument("--pieces", type=int, default=24, help="pieces of held-out text")
    arguments = parser.parse_args()
    model = load_model(dtype="float32")
    texts: dict[str, tuple[str, ...]] = {"own": (), "text": tuple(topics.values())}
    fits: dict[str, Fit] = {}
    for source in texts:
        for n in _sizes(getattr(arguments, source)):
            fits[f"{source}, {n}"] = _fit(model, source, n, Plan("jacobian", texts[source], n, tokens=TOKENS))
        for n in _sizes(arguments.tuned):
            plan = Plan("tuned", texts[source], n, tokens=TOKENS)
            fits[f"tuned {source}, {n}"] = _fit(model, f"tuned-{source}", n, plan)
    lenses: dict[str, LensMaps] = {"logit": LOGIT, **{name: fit.maps(name) for name, fit in fits.items()}}
    held_out = pieces(model.tokenizer, [(ROOT / name).read_text("utf-8") for name in HELD_OUT], TOKENS)
    write_page(
        model,
        fits,
        hidden_words(model, read_hops(model), lenses),
        readings(model, held_out[:: max(1, len(held_out) // arguments.pieces)], lenses),
    )


def _sizes(given: str) -> list[int]:
    return sorted(int(size) for size in given.split(",") if size)


def _fit(model: LoadedModel, source: str, n: int, plan: Plan) -> Fit:
    """The first `n` sequences; smaller fits are part of larger ones."""
    KEPT.mkdir(parents=True, exist_ok=True)
    sizes = [int(file.stem.removeprefix(f"{source}-")) for file in KEPT.glob(f"{source}-*.safetensors")]
    smaller = max((size for size in sizes if size <= n), default=n)
    file = KEPT / f"{source}-{n}.safetensors"
    if smaller < n:
        shutil.copyfile(KEPT / f"{source}-{smaller}.safetensors", file)
    started = time.time()

    def tell(kept: Kept) -> None:
        still = "" if kept.changing is None else f", {100 * kept.changing:.0f} % of the top tokens would still change"
        took = time.time() - started
        print(f"{source}: {kept.fit.n_sequences} of {n} sequences, {took:.0f} s{still}", flush=True)

    return fit_lens(model, plan, file, resume=True, kept=tell)


if __name__ == "__main__":
    torch.manual_seed(0)
    main()
