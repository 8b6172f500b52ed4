"""The gradient of every state against central differences in float64, in every kind of family."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import nullcontext
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode

from families import IDS, build
from lm_transparency import Watch
from lm_transparency.causal.gradient import gradient
from lm_transparency.causal.metric import Metric
from lm_transparency.causal.sites import Site, changed, sites
from lm_transparency.model.anatomy import dissect
from lm_transparency.trace.recording import record

FAMILIES: dict[str, dict[str, Any]] = {
    **{name: {} for name in ("llama", "gpt2", "gemma3_text", "olmo2", "gptj", "cohere", "falcon", "bloom")},
    "gpt_neox": {"use_parallel_residual": True},
    **{name: {} for name in ("mixtral", "gpt_oss", "deepseek_v3", "qwen2_moe", "qwen3_next", "jamba", "lfm2")},
    "granite": {"residual_multiplier": 0.22},
    "mistral": {"sliding_window": 7},
}
LAST = 8


class _Doubled(TorchFunctionMode):
    """float64 where transformers asks for float32: norms, softmax, rotary tables."""

    def __torch_function__(
        self, func: Callable[..., Any], types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        if func is Tensor.float:
            return args[0].double()
        args = tuple(torch.float64 if x is torch.float32 else x for x in args)
        kwargs = {k: torch.float64 if v is torch.float32 else v for k, v in (kwargs or {}).items()}
        return func(*args, **kwargs)


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize(("casts", "step", "within"), [("float32", 1e-3, 1e-3), ("float64", 1e-5, 1e-5)])
def test_the_gradient_is_that_of_central_differences(family: str, casts: str, step: float, within: float) -> None:
    model = build(family, FAMILIES[family]).double()
    # fused experts have no float64
    model.config._experts_implementation = "eager"
    anatomy = dissect(model)
    metric = Metric(LAST, 7, 11)
    generator = torch.Generator().manual_seed(1)
    with _Doubled() if casts == "float64" else nullcontext():
        found = gradient(model, anatomy, IDS, metric, Watch())
        seen = {}
        for site in sites(anatomy):
            direction = torch.randn(LAST + 1, anatomy.d_model, generator=generator, dtype=torch.float64)
            one, two = (slope(model, anatomy, metric, site, direction, h) for h in (step, 2 * step))
            # of fourth order: float32 wants large steps
            seen[site] = (4 * one - two) / 3, float((found.at[site].double() * direction).sum())
    largest = max(abs(wanted) for wanted, _ in seen.values())
    assert largest > 1e-3, "a gradient of 0 proves nothing"
    assert {site: pair for site, pair in seen.items() if abs(pair[0] - pair[1]) > within * largest} == {}


def slope(model: Any, anatomy: Any, metric: Metric, site: Site, direction: Tensor, step: float) -> float:
    ahead, behind = (moved(model, anatomy, metric, site, h * direction) for h in (step, -step))
    return (ahead - behind) / (2 * step)


def moved(model: Any, anatomy: Any, metric: Metric, site: Site, delta: Tensor) -> float:
    def move(here: Site, states: Tensor, factor: float) -> Tensor | None:
        return states + (delta / factor).reshape(states.shape) if here == site else None

    with torch.no_grad(), changed(anatomy, move):
        return float(metric.of(model(input_ids=IDS[None, : LAST + 1]).logits[0, LAST]))


#: The second layer reads the keys and values of the first.
SHARING: dict[str, dict[str, Any]] = {"gemma4_text": {"num_kv_shared_layers": 1, "layer_types": 2 * ["full_attention"]}}
#: Layers that give attention's probabilities too, or the only ones of their class.
TWICE = {"gptj", "bloom", "jamba", *SHARING}


@pytest.mark.parametrize("family", FAMILIES | SHARING)
def test_a_recorded_run_has_the_same_gradient(family: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lm_transparency.causal.backward._LONG", 2)
    model = build(family, (FAMILIES | SHARING)[family])
    trace = record(model, dissect(model), IDS, Watch())
    metric = Metric(LAST, 7, 11)
    n_runs = 0

    def counted(*_: object) -> None:
        nonlocal n_runs
        n_runs += 1

    for block in trace.anatomy.blocks:
        (block.attention if block.has_attention else block.ffn).register_forward_hook(counted)
    whole = gradient(model, trace.anatomy, IDS, metric, Watch())
    n_whole, n_runs = n_runs, 0
    posts = [layer.post for layer in trace.layers]
    found = gradient(model, trace.anatomy, IDS, metric, Watch(), posts)
    assert (n_runs == n_whole) if family in TWICE else (n_runs < n_whole)
    # what is not of this run is found out, and counts for nothing
    others = gradient(model, trace.anatomy, IDS, metric, Watch(), [posts[0], *(1.5 * post for post in posts[1:])])
    for one in (found, others):
        assert one.value == pytest.approx(whole.value, rel=1e-5)
        for site, states in whole.at.items():
            assert torch.allclose(one.at[site], states, rtol=1e-3, atol=1e-5 * float(states.abs().max())), site
