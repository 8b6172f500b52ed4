"""Feed-forward blocks by neuron: against hooks on the untouched model, and the definition in float64."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

import synthetic
from lm_transparency import Analysis, Trace, TransparencyError
from lm_transparency.inspection.ffn import inspect_ffn, inspect_neuron
from lm_transparency.routes import neurons
from lm_transparency.routes.contributions import contributions
from lm_transparency.routes.kernels import chunked, part_proximities
from reference import Array, lens_logits, neuron_shares, proximity
from subjects import SUBJECTS, Subject, plain, subject


@pytest.fixture(scope="module", params=SUBJECTS)
def case(request: pytest.FixtureRequest) -> Subject:
    return subject(request, request.param)


def layers_of(case: Subject) -> list[int]:
    n_layers = case.plain.n_layers
    return list(range(n_layers)) if n_layers < 10 else [0, 1, 14, n_layers - 1]


def test_activations_are_what_the_output_projection_was_given(case: Subject) -> None:
    for layer in layers_of(case):
        wanted = case.plain.activation[layer]
        assert np.abs(wanted).max() > 0.05
        assert neurons.activations(case.run.trace, layer).numpy() == pytest.approx(
            wanted, abs=2e-5 * np.abs(wanted).max() + 1e-6
        )


def test_every_neuron_contributes_what_the_definition_says(case: Subject) -> None:
    for layer in layers_of(case):
        for t in (0, case.last // 2, case.last):
            found = neurons.neurons(case.run.trace, case.run.contributions, layer, t)
            shares, residual, bias = neuron_shares(case.plain, layer, t)
            assert found.contribution == pytest.approx(shares, abs=1e-5)
            assert found.residual == pytest.approx(residual, abs=1e-5)
            assert found.bias == pytest.approx(bias, abs=1e-5)
            assert found.contribution.sum() + found.residual + found.bias == pytest.approx(1, abs=1e-6)


def test_neurons_and_bias_sum_to_what_the_block_wrote(case: Subject) -> None:
    for layer in layers_of(case):
        block, ffn = case.run.trace.anatomy.blocks[layer], case.plain.ffn[layer]
        activation = neurons.activations(case.run.trace, layer).double()
        bias = block.b_out()
        written = (activation @ block.w_out().double()).numpy()
        written += 0 if bias is None else bias.double().numpy()
        assert written == pytest.approx(ffn, abs=2e-5 * np.abs(ffn).max())


def test_the_output_bias_of_gpt2_is_a_part_that_counts(request: pytest.FixtureRequest) -> None:
    case = subject(request, "tiny_gpt2 ioi")
    biases = [inspect_ffn(case.run, layer, t).bias for layer in range(5) for t in range(case.last + 1)]
    assert max(biases) > 0.01


def test_a_block_lists_the_neurons_that_contribute_most(case: Subject) -> None:
    layer, t = 1, case.last
    shares, residual, _ = neuron_shares(case.plain, layer, t)
    view = inspect_ffn(case.run, layer, t, top_k=7)
    assert [n.contribution for n in view.neurons] == pytest.approx(sorted(shares, reverse=True)[:7], abs=1e-5)
    for share in view.neurons:
        assert share.contribution == pytest.approx(shares[share.neuron], abs=1e-5)
        assert share.activation == pytest.approx(case.plain.activation[layer][t, share.neuron], abs=1e-4)
    assert view.n_neurons == len(shares)
    assert abs(view.n_contributing - int((shares > 0).sum())) <= 2
    assert view.residual == pytest.approx(residual, abs=1e-5)
    assert view.neurons_total == pytest.approx(shares.sum(), abs=1e-5)
    assert view.block_contribution == pytest.approx(case.plain.contributions(layer).ffn[t], abs=1e-5)
    # a larger number than exist: all of them, once each
    every = inspect_ffn(case.run, layer, t, top_k=10**6).neurons
    assert sorted(n.neuron for n in every) == list(range(view.n_neurons))
    quiet = [abs(n.activation) for n in every if n.contribution == 0]
    assert quiet == sorted(quiet, reverse=True)


@pytest.mark.parametrize("normalize", [True, False])
def test_a_neuron_promotes_what_its_activation_makes_of_its_weights(case: Subject, normalize: bool) -> None:
    layer, t = 1, case.last
    model = plain(case.run.model.source)
    activation, w_out = case.plain.activation[layer][t], case.plain.w_out[layer]
    shares, _, _ = neuron_shares(case.plain, layer, t)
    for neuron in (int(activation.argmin()), int(activation.argmax())):
        view = inspect_neuron(case.run, layer, neuron, t, top_k=5, normalize=normalize)
        assert view.share.contribution == pytest.approx(shares[neuron], abs=1e-5)
        assert view.activations == pytest.approx(case.plain.activation[layer][:, neuron], abs=1e-4)
        assert view.activations[t] == pytest.approx(view.share.activation, abs=1e-5)
        logits = lens_logits(model, activation[neuron] * w_out[neuron].astype(np.float64), normalize=normalize)
        assert_ends(logits, [s.logit for s in view.update.promoted], [s.logit for s in view.update.suppressed])
        for score in (*view.update.promoted, *view.update.suppressed):
            assert logits[score.id] == pytest.approx(score.logit, rel=2e-3, abs=1e-3)


def assert_ends(logits: Array, largest: list[float], smallest: list[float]) -> None:
    ordered = np.sort(logits)
    assert largest == pytest.approx(ordered[::-1][: len(largest)], rel=2e-3, abs=1e-3)
    assert smallest == pytest.approx(ordered[: len(smallest)], rel=2e-3, abs=1e-3)


def test_a_negative_activation_turns_promoted_and_suppressed_round(request: pytest.FixtureRequest) -> None:
    case = subject(request, "embedded ioi")
    activation = case.plain.activation[20][case.last]
    neuron = int(activation.argmin())
    assert activation[neuron] < -0.1
    view = inspect_neuron(case.run, 20, neuron, case.last, top_k=8, normalize=False)
    weights = case.plain.w_out[20][neuron].astype(np.float64)
    along = lens_logits(plain(case.run.model.source), weights, normalize=False).argsort().tolist()
    # without the norm the lens is linear: what W_out raises most is lowered most, and the other way round
    assert [s.id for s in view.update.promoted] == along[:8]
    assert [s.id for s in view.update.suppressed] == along[::-1][:8]


def test_neurons_work_in_bfloat16(request: pytest.FixtureRequest) -> None:
    for name in ("tiny_llama_bf16 ioi", "tiny_gpt2_bf16 ioi"):
        case = subject(request, name)
        for layer in range(case.plain.n_layers):
            view = inspect_ffn(case.run, layer, case.last)
            assert view.neurons_total + view.residual + view.bias == pytest.approx(1, abs=1e-6)
            shares, residual, _ = neuron_shares(case.plain, layer, case.last)
            found = neurons.neurons(case.run.trace, case.run.contributions, layer, case.last)
            assert np.abs(found.contribution - shares).max() < 0.02
            assert found.residual == pytest.approx(residual, abs=0.02)


@pytest.mark.parametrize(
    ("what", "place"),
    [
        ("There is no layer 30", (30, 0, 0)),
        ("There is no layer -1", (-1, 0, 0)),
        ("Position 15 is out of range", (0, 0, 15)),
        ("Position -16 is out of range", (0, 0, -16)),
    ],
)
def test_a_block_that_is_not_there_is_refused(ioi: Analysis, what: str, place: tuple[int, int, int]) -> None:
    layer, neuron, position = place
    for ask in (lambda: inspect_ffn(ioi, layer, position), lambda: inspect_neuron(ioi, layer, neuron, position)):
        with pytest.raises(TransparencyError, match=what) as caught:
            ask()
        assert caught.value.kind in ("invalidParams", "invalidPosition")


@pytest.mark.parametrize("neuron", [-1, 1536, 10**30])
def test_a_neuron_that_is_not_there_is_refused(ioi: Analysis, neuron: int) -> None:
    with pytest.raises(TransparencyError, match="There is no neuron") as caught:
        inspect_neuron(ioi, 0, neuron, 0)
    assert caught.value.remedy == "Choose 0 to 1535."


def test_watching_neurons_leaves_no_hook_behind(ioi: Analysis) -> None:
    block = ioi.trace.anatomy.blocks[3]
    inspect_neuron(ioi, 3, 0, 2)
    assert not block.down_projection._forward_pre_hooks


# ---------------------------------------------------------------- worked values


def worked(*, output_bias: list[float] | None = None, parallel: bool = False) -> Trace:
    """One position: the neurons read the residual [1, 1], and write [1, 1] and [2, 2]."""
    made = synthetic.trace(0, n_layers=1, n_tokens=1, d_model=2, parallel=parallel)
    down = nn.Linear(2, 2, bias=output_bias is not None)
    with torch.no_grad():
        down.weight.copy_(torch.tensor([[1.0, 2.0], [1.0, 2.0]]))
        if output_bias is not None:
            down.bias.copy_(torch.tensor(output_bias))
    old, record = made.anatomy.blocks[0], made.layers[0]
    block = replace(old, ffn=nn.Sequential(down), ffn_norm=nn.Identity(), down_projection=down)
    mid = torch.ones(1, 2)
    ffn = down(mid).detach()
    post = (record.post - record.ffn - record.pre + mid + ffn) if parallel else mid + ffn
    layer = replace(record, pre=mid if parallel else record.pre, mid=mid, ffn=ffn, post=post)
    return replace(made, anatomy=replace(made.anatomy, blocks=(block,)), layers=(layer,))


def test_the_worked_value_of_two_neurons_and_the_residual() -> None:
    """See docs/method.md#checks: neurons [1,1] and [2,2], residual [1,1], whole [4,4]."""
    made = worked()
    assert made.layers[0].post.tolist() == [[4, 4]]
    found = neurons.neurons(made, contributions(made)[0], 0, 0)
    assert found.activation.tolist() == [1, 1]
    assert found.contribution == pytest.approx([0.25, 0.5])
    assert found.residual == pytest.approx(0.25)
    assert found.bias == 0


def test_an_output_bias_is_one_part_more() -> None:
    made = worked(output_bias=[4.0, 0.0])
    assert made.layers[0].post.tolist() == [[8, 4]]
    found = neurons.neurons(made, contributions(made)[0], 0, 0)
    # proximities: neurons 2 and 4, residual 2, bias 4
    assert found.contribution == pytest.approx([2 / 12, 4 / 12])
    assert (found.residual, found.bias) == pytest.approx((2 / 12, 4 / 12))


def test_in_a_parallel_block_the_rest_is_attention_residual_and_bias() -> None:
    made = worked(parallel=True)
    post, record = made.layers[0].post[0].double().numpy(), made.layers[0]
    parts = synthetic.parts(made, 0)[0, 0]
    bias = made.anatomy.blocks[0].output_projection.bias.detach().double().numpy()
    rest = proximity(parts, post).sum() + proximity(record.pre[0].double().numpy(), post) + proximity(bias, post)
    near = proximity(np.array([[1.0, 1.0], [2.0, 2.0]]), post)
    found = neurons.neurons(made, contributions(made)[0], 0, 0)
    assert found.contribution == pytest.approx(near / (near.sum() + rest), abs=1e-6)
    assert found.residual == pytest.approx(rest / (near.sum() + rest), abs=1e-6)


@pytest.mark.filterwarnings("ignore:overflow")
def test_neurons_that_all_oppose_the_whole_leave_an_empty_share() -> None:
    made = worked()
    record = replace(made.layers[0], mid=-torch.ones(1, 2), ffn=-3 * torch.ones(1, 2), post=torch.zeros(1, 2))
    nothing = replace(made, layers=(record,))
    found = neurons.neurons(nothing, contributions(nothing)[0], 0, 0)
    assert not found.contribution.any()
    assert (found.residual, found.bias) == (0, 0)


def test_part_proximities_are_the_definition_on_every_path() -> None:
    generator = torch.Generator().manual_seed(5)
    whole = torch.randn(37, generator=generator)
    scales, vectors = torch.randn(200, generator=generator), torch.randn(200, 37, generator=generator)
    wanted = proximity((scales[:, None].double() * vectors.double()).numpy(), whole.double().numpy())
    assert (wanted > 0).any() and (wanted == 0).any()
    for found in (part_proximities(whole, scales, vectors), chunked.part_proximities(whole, scales, vectors).numpy()):
        assert found.dtype == np.float64
        assert found == pytest.approx(wanted, abs=1e-5)
    assert part_proximities(torch.full((2,), 4.0), torch.ones(2), torch.tensor([[1.0, 1.0], [2.0, 2.0]])).tolist() == [
        2,
        4,
    ]
    assert math.isclose(
        float(part_proximities(whole, torch.ones(1), whole[None])[0]), float(whole.abs().sum()), rel_tol=1e-6
    )
