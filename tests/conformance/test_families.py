"""Decoder families of the installed transformers, tiny and random: exact, or not analysed and with a reason.

`make test` tries every fourth, `make test-more` all. `pytest tests/conformance -s` prints the table; with
`WRITE_MODELS=1` it becomes `docs/models.md` and `known.json`.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import torch
import transformers

from families import IDS, TRIED, WHOLE, build, unwarned
from lm_transparency import Lens, TransparencyError, Watch
from lm_transparency.model.anatomy import dissect
from lm_transparency.routes.contributions import contributions, layer_contributions
from lm_transparency.trace.recording import record
from lm_transparency.trace.trace import Trace

ROOT = Path(__file__).resolve().parents[2]
DOCS = ROOT / "docs" / "models.md"
#: The same for the program: what `lm-transparency models` says of a family.
KNOWN = ROOT / "python_backend" / "lm_transparency" / "model" / "known.json"
#: Families that are exact with the transformers version that the constraints name.
LEAST_EXACT = 125
#: Their sizes are in places that the common names do not reach: building them takes minutes.
TOO_LARGE = {"blt"}

# a minute on an idle machine
pytestmark = pytest.mark.timeout(900)


@dataclass(frozen=True)
class Outcome:
    """`status`: exact, refused, caught (by the proof) or not built. `error`: the largest of proof, logits and lens."""

    family: str
    status: str
    error: float
    why: str


@pytest.fixture(scope="module")
def outcomes() -> Iterator[list[Outcome]]:
    with unwarned():
        yield [outcome(family) for family in TRIED]


def outcome(family: str) -> Outcome:
    if family in TOO_LARGE:
        return Outcome(family, "not built", 0.0, "cannot be made tiny by the common names of sizes")
    try:
        model = build(family, {})
        with torch.no_grad():
            wanted = model(input_ids=IDS[None], use_cache=False).logits[0]
    except Exception as error:  # what a configuration objects to is as varied as the families
        return Outcome(family, "not built", 0.0, f"{type(error).__name__}: {error}".splitlines()[0][:90])
    try:
        anatomy = dissect(model)
        trace = record(model, anatomy, IDS, Watch())
        _, proof = contributions(trace)
    except TransparencyError as error:
        return Outcome(family, "refused", 0.0, error.message)
    if not proof.holds:
        return Outcome(family, "caught", proof.max_relative_error, proof.sentence())
    assert_shares(trace)
    lens = Lens(anatomy).logits(trace.layers[-1].post)
    off = max(float((trace.logits - wanted).abs().max()), float((lens - wanted).abs().max()))
    return Outcome(family, "exact", max(proof.max_relative_error, off), described(trace))


def assert_shares(trace: Trace) -> None:
    """Every row's contributions sum to 1, or nothing in it carries towards the whole and all are 0."""
    for index in range(trace.n_layers):
        layer = layer_contributions(trace, index)
        attention = layer.attention.sum(axis=(1, 2)) + layer.attention_residual + layer.attention_bias + layer.mixer
        ffn = layer.ffn + layer.ffn_residual
        sums = (
            ((attention + ffn, layer.attention_total),)
            if trace.anatomy.parallel
            else (
                (attention, layer.attention_total),
                (ffn, layer.ffn_total),
            )
        )
        for total, near in sums:
            assert total == pytest.approx((near > 0).astype(float), abs=1e-5)


def described(trace: Trace) -> str:
    """The row of facts, and what the blocks have that Llama's have not."""
    blocks = trace.anatomy.blocks
    mixers = sorted({type(block.mixer.module).__name__ for block in blocks if block.mixer is not None})
    gated = any(layer.gate is not None for layer in trace.layers)
    extras = [f"mixer {name}" for name in mixers] + ["gate or norm before W_O"] * gated
    return f"{trace.anatomy.facts.name} block" + "".join(f", {extra}" for extra in extras)


def test_as_many_families_as_ever_are_exact(outcomes: list[Outcome]) -> None:
    exact = [o for o in outcomes if o.status == "exact"]
    print(table(outcomes))
    assert all(o.error <= 1e-4 for o in exact), [o for o in exact if o.error > 1e-4]
    if WHOLE:
        assert len(exact) >= LEAST_EXACT
    else:
        known = json.loads(KNOWN.read_text("utf-8"))
        assert {o.family for o in outcomes if known.get(o.family) == "exact"} <= {o.family for o in exact}
    if os.environ.get("WRITE_MODELS"):
        DOCS.write_text(table(outcomes), "utf-8")
        known = {o.family: o.status for o in outcomes if o.status != "not built"}
        KNOWN.write_text(json.dumps(known, indent=2, sort_keys=True) + "\n", "utf-8")


def test_what_is_not_analysed_says_why(outcomes: list[Outcome]) -> None:
    assert all(o.why for o in outcomes)
    refused = [o for o in outcomes if o.status == "refused"]
    assert all("\n" not in o.why and o.why.endswith(".") for o in refused)


def table(outcomes: list[Outcome]) -> str:
    counts = {
        status: sum(o.status == status for o in outcomes) for status in ("exact", "caught", "refused", "not built")
    }
    lines = [
        "# Models",
        "",
        f"Every causal family of transformers {transformers.__version__}, built tiny with random weights, biases and "
        "gains (`make models` runs this again). _Exact_: the logits equal transformers' own, the parts of every "
        "sublayer sum to the whole, the lens of the last state equals the logits; the figure is the largest error of "
        "the three, in float32. _Mixer_: linear attention, a state space or a short convolution, one part per position "
        "([routes.md](routes.md)). _Caught_: the proof fails, and the analysis says so. _Not built_: by this test.",
        "",
        ", ".join(f"{count} {status}" for status, count in counts.items()) + ".",
        "",
        "| family | status | largest error, or why not |",
        "| --- | --- | --- |",
    ]
    for o in sorted(outcomes, key=lambda o: (o.status != "exact", o.family)):
        detail = f"{o.error:.0e}, {o.why}" if o.status == "exact" else reason(o)
        lines.append(f"| {o.family} | {o.status} | {detail} |")
    return "\n".join(lines) + "\n"


def reason(o: Outcome) -> str:
    if o.status == "caught":
        return f"its parts are off by {o.error:.0e}: the sublayers or the residual are changed in a way not known yet"
    short = o.why.partition(": ")[2] or o.why
    return short.replace("|", "\\|")
