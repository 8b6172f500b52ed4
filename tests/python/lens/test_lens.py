"""One node: the lens of its state, and the tokens that the update into it promotes and suppresses."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

import prompts
import synthetic
from lm_transparency import Analysis, Lens, LoadedModel, TransparencyError, analyze
from lm_transparency.lens.nodes import node_tokens


@pytest.fixture
def run(tiny: LoadedModel) -> Analysis:
    return analyze(tiny, prompts.IOI)


def test_the_last_node_says_what_the_model_predicts(run: Analysis) -> None:
    last, t = run.trace.n_layers - 1, run.trace.n_tokens - 1
    top = node_tokens(run.trace, "I", last, t, top_k=8).top
    predicted = run.predictions(8)
    assert top is not None
    assert top.ids.tolist() == predicted.ids[t].tolist()
    assert top.probabilities.tolist() == pytest.approx(predicted.probabilities[t].tolist(), abs=1e-5)
    assert top.logits.tolist() == pytest.approx(predicted.logits[t].tolist(), abs=1e-4)


def test_the_embedded_model_says_mary_at_the_last_node(ioi: Analysis) -> None:
    node = node_tokens(ioi.trace, "I", 29, 14)
    assert node.top is not None
    assert ioi.model.tokenizer.decode([int(node.top.ids[0])]) == " Mary"
    assert len(node.top.ids) == 15


def test_a_state_is_read_through_the_final_norm_or_without_it(run: Analysis) -> None:
    model, state = run.model.model, run.trace.layers[2].mid[3]
    decoder = getattr(model, "transformer", None) or model.model
    norm = decoder.ln_f if hasattr(decoder, "ln_f") else decoder.norm
    with torch.no_grad():
        for normalize, vector in ((True, norm(state)), (False, state)):
            wanted = model.lm_head(vector)
            node = node_tokens(run.trace, "A", 2, 3, top_k=5, normalize=normalize)
            assert node.top is not None
            assert node.top.ids.tolist() == wanted.topk(5).indices.tolist()


def test_updates_are_what_was_written(run: Analysis) -> None:
    record, lens = run.trace.layers[1], Lens(run.trace.anatomy)
    for kind, update in (("A", record.mid[2] - record.pre[2]), ("M", record.ffn[2]), ("I", record.ffn[2])):
        node = node_tokens(run.trace, kind, 1, 2, top_k=6)
        logits = lens.logits(update)
        assert node.promoted is not None
        assert node.suppressed is not None
        assert node.promoted.ids.tolist() == logits.topk(6).indices.tolist()
        assert node.suppressed.ids.tolist() == logits.topk(6, largest=False).indices.tolist()
    assert node_tokens(run.trace, "M", 1, 2).top is None


def test_rank_changes_are_against_the_node_before(run: Analysis) -> None:
    lens, record = Lens(run.trace.anatomy), run.trace.layers[3]
    node = node_tokens(run.trace, "I", 3, 4, top_k=7)
    before = lens.logits(record.mid[4]).argsort(descending=True).tolist()
    assert node.top is not None
    assert node.rank_change is not None
    wanted = [before.index(token) - rank for rank, token in enumerate(node.top.ids.tolist())]
    assert node.rank_change.tolist() == wanted


def test_an_embedding_has_a_lens_and_no_update(run: Analysis) -> None:
    node = node_tokens(run.trace, "X", 0, 1)
    assert node.top is not None
    assert node.rank_change is not None
    assert not node.rank_change.any()
    assert node.promoted is None
    assert node.suppressed is None


def test_more_tokens_than_the_vocabulary_has_are_all_of_them(run: Analysis) -> None:
    node = node_tokens(run.trace, "I", 0, 0, top_k=10**6)
    assert node.top is not None
    assert len(node.top.ids) == run.trace.anatomy.n_vocab
    assert node.top.probabilities.sum() == pytest.approx(1, abs=1e-5)
    assert run.predictions(10**6).ids.shape == (run.trace.n_tokens, run.trace.anatomy.n_vocab)
    assert run.predictions(0).ids.shape == (run.trace.n_tokens, 1)


@pytest.mark.parametrize(
    ("kind", "layer", "position"), [("I", 99, 0), ("I", 0, 99), ("A", -1, 0), ("X", 1, 0), ("B", 0, 0)]
)
def test_a_node_that_is_not_there_is_refused(run: Analysis, kind: str, layer: int, position: int) -> None:
    with pytest.raises(TransparencyError, match="no node") as caught:
        node_tokens(run.trace, kind, layer, position)
    assert caught.value.kind == "invalidParams"


def test_a_parallel_block_has_no_node_after_attention() -> None:
    trace = synthetic.trace(0, parallel=True)
    with pytest.raises(TransparencyError, match="no node A1_2"):
        node_tokens(trace, "A", 1, 2)
    node = node_tokens(trace, "I", 1, 2, top_k=3)
    update = trace.layers[1].post[2] - trace.layers[1].pre[2]
    assert node.promoted is not None
    assert node.promoted.ids.tolist() == trace.anatomy.unembedding(update).topk(3).indices.tolist()


def test_lens_and_contributions_work_in_bfloat16(tiny_llama_bf16: LoadedModel) -> None:
    run = analyze(tiny_llama_bf16, prompts.IOI)
    node = node_tokens(run.trace, "I", run.trace.n_layers - 1, 0, top_k=1)
    assert node.top is not None
    assert node.top.logits.dtype is torch.float32
    assert node.top.ids.tolist() == run.predictions(1).ids[0].tolist()


class _Cells(TorchDispatchMode):
    """Counts what comparisons give."""

    compared = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        found = func(*args, **(kwargs or {}))
        if func in (torch.ops.aten.gt.Tensor, torch.ops.aten.gt.Scalar):
            self.compared += found.numel()
        return found


def test_ranks_of_the_first_tokens_do_not_compare_each_of_them_with_a_vocabulary() -> None:
    logits = torch.randn(5000, generator=torch.Generator().manual_seed(0))
    logits[10:20] = logits.max()
    for ids in (logits.topk(30).indices, torch.tensor([3, 4000, 3]), torch.tensor([], dtype=torch.int64)):
        wanted = [int((logits > logits[i]).sum()) for i in ids]
        with _Cells() as cells:
            assert Lens.ranks(logits, ids).tolist() == wanted
        if len(ids) == 30:
            assert cells.compared < 2 * len(logits)
