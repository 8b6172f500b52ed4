"""Shares sum to the logit in every exact family. `pytest -s` prints the table."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from importlib import resources

import pytest
import torch

from families import CAUSAL, IDS, build, unwarned
from lm_transparency import Watch
from lm_transparency.ambient import guard
from lm_transparency.causal.metric import Metric
from lm_transparency.causal.reading import read_at
from lm_transparency.causal.shares import Shares, shares
from lm_transparency.model.anatomy import dissect
from longer import MORE

#: Of every kind of block, attention, norm, gate, bias and mixer one. `make test-more` walks all exact families.
SOME = (
    *("llama", "gpt2", "opt", "xglm", "ctrl", "qwen2", "starcoder2", "gemma2", "gemma4_text", "olmo2", "cohere", "phi"),
    *("gpt_neox", "gpt_neox_japanese", "bloom", "falcon", "mpt", "granite", "apertus", "bitnet", "doge"),
    *("mixtral", "gpt_oss", "deepseek_v3", "llama4_text"),
    *("qwen3_next", "jamba", "lfm2", "bamba"),
)
#: The error, relative to Σ|share|, that rounding explains in float32.
BOUND = 1e-4
#: Families whose shares do not sum to the logit, and why.
MISSES: dict[str, str] = {}

LAST = 8

# two minutes for all families on an idle machine
pytestmark = pytest.mark.timeout(900)


@dataclass(frozen=True)
class Outcome:
    """`plain`: the metric of a run without rules. `mixers`: it has linear attention, a state space or a convolution."""

    family: str
    shares: Shares
    plain: float
    mixers: bool


@pytest.fixture(scope="module")
def outcomes() -> Iterator[list[Outcome]]:
    with unwarned():
        yield [outcome(family) for family in (exact() if MORE else SOME)]


def exact() -> list[str]:
    known = json.loads((resources.files("lm_transparency") / "model" / "known.json").read_text("utf-8"))
    return [family for family in CAUSAL if known.get(family) == "exact"]


def outcome(family: str) -> Outcome:
    model = build(family, {})
    anatomy = dissect(model)
    with guard(model):
        logits = read_at(model, anatomy, IDS[: LAST + 1], LAST)[0]
        metric = Metric(LAST, int(logits.argmax()), int(logits.argmin()))
        found = shares(model, anatomy, IDS, metric, Watch())
    return Outcome(family, found, float(metric.of(logits)), any(block.mixer is not None for block in anatomy.blocks))


def test_shares_sum_to_the_logit_in_every_family(outcomes: list[Outcome]) -> None:
    print(table(outcomes))
    missed = [o.family for o in outcomes if not o.shares.error <= BOUND and not o.mixers]
    assert missed == [o.family for o in outcomes if o.family in MISSES]
    # on a CPU mixers are torch functions too, so there is a rule for each of them
    assert not [o.family for o in outcomes if not o.shares.error <= BOUND and o.mixers]


def test_rules_change_no_value(outcomes: list[Outcome]) -> None:
    assert {o.family: o.shares.m for o in outcomes} == {o.family: o.plain for o in outcomes}


def test_what_the_embedding_and_biases_add_has_shares_of_its_own(outcomes: list[Outcome]) -> None:
    of = {o.family: o.shares for o in outcomes}
    assert all(bool(found.tokens.abs().min() > 0) and len(found.tokens) == LAST + 1 for found in of.values())
    learned = {family for family in SOME if of[family].positions is not None}
    assert learned == {"gpt2", "opt", "xglm", "ctrl"}
    assert not of["llama"].biases and not of["mixtral"].biases
    assert {"attn.c_attn", "attn.c_proj", "mlp.c_fc", "mlp.c_proj", "ln_1", "ln_2"} == {
        what for layer, what in of["gpt2"].biases if layer == 0
    }
    assert (2, "transformer.ln_f") in of["gpt2"].biases and (2, "lm_head") in of["phi"].biases
    assert (-1, "transformer.word_embeddings_layernorm") in of["bloom"].biases


def table(outcomes: list[Outcome]) -> str:
    lines = ["| family | error | m | tokens | positions | biases | unassigned |", "| - | - | - | - | - | - | - |"]
    for o in outcomes:
        found = o.shares
        positions = "" if found.positions is None else f"{float(found.positions.sum()):.2f}"
        parts = f"{float(found.tokens.sum()):.2f} | {positions} | {sum(found.biases.values()):.2f}"
        unassigned = f"{found.unassigned:.0e}{' (mixer)' if o.mixers else ''}"
        lines.append(f"| {o.family} | {found.error:.0e} | {found.m:.2f} | {parts} | {unassigned} |")
    return "\n".join(lines)


def test_float64_leaves_only_rounding() -> None:
    model = build("gpt2", {}).double()
    anatomy = dissect(model)
    with guard(model), torch.no_grad():
        found = shares(model, anatomy, IDS, Metric(LAST, 5, 9), Watch())
    # shares are float32
    assert found.error <= 1e-7
