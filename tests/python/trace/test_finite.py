"""Models with non-finite numbers: every answer is one sentence that names the place and a fitting remedy."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable, Iterable
from typing import Any

import pytest
import torch

import lm_transparency as lt
from lm_transparency.inspection import diagnosis, surprisal
from lm_transparency.lens.plain import plain_lens
from lm_transparency.model.anatomy import dissect
from lm_transparency.trace.finite import is_finite, overflow

PROMPT = "When Mary and John went to the store, John gave"
LONG = PROMPT * 8


def changed(model: lt.LoadedModel, change: Callable[[Any], None], dtype: torch.dtype = torch.float32) -> lt.LoadedModel:
    """A copy of a tiny GPT-2 with changes."""
    made = copy.deepcopy(model.model).to(dtype)
    made.lm_head.weight = torch.nn.Parameter(made.lm_head.weight.detach().clone())
    with torch.no_grad():
        change(made)
    return lt.LoadedModel("tiny", "tiny", made, model.tokenizer, dissect(made))


def put(where: Callable[[Any], torch.Tensor], value: float) -> Callable[[Any], None]:
    return lambda model: where(model).fill_(value).__class__ and None


NAN, INF = float("nan"), float("inf")
#: The damage, and the words that name it.
DAMAGED: dict[str, tuple[Callable[[Any], None], str]] = {
    "a row of the head": (put(lambda m: m.lm_head.weight[7], NAN), r"lm_head\.weight, in the unembedding \(output 7, "),
    "an infinite row": (put(lambda m: m.lm_head.weight[9], INF), r"lm_head\.weight, in the unembedding"),
    "all of the head": (put(lambda m: m.lm_head.weight, NAN), r"lm_head\.weight, in the unembedding\."),
    "the final norm": (put(lambda m: m.transformer.ln_f.weight, NAN), r"ln_f\.weight, in the final norm"),
    "the embeddings": (put(lambda m: m.transformer.wte.weight, NAN), r"wte\.weight, in the embedding"),
    "a neuron": (
        put(lambda m: m.transformer.h[2].mlp.c_fc.weight[:, 3], NAN),
        r"h\.2\.mlp\.c_fc\.weight, in the feed-forward block of layer 2",
    ),
}


def loudly(factor: float, where: Callable[[Any], torch.Tensor]) -> Callable[[Any], None]:
    return lambda model: where(model).mul_(factor).__class__ and None


#: What exceeds float16, and where it does.
LOUD: dict[str, tuple[Callable[[Any], None], str]] = {
    "the logits": (loudly(1.5e4, lambda m: m.lm_head.weight), "The unembedding"),
    "one logit": (loudly(6e4, lambda m: m.lm_head.weight[7]), r"The unembedding \(output 7, "),
    "a neuron": (loudly(5e4, lambda m: m.transformer.h[2].mlp.c_proj.weight), "The feed-forward block of layer 2"),
}


def everything(model: lt.LoadedModel, run: lt.Analysis) -> Iterable[Callable[[], Any]]:
    """Every function that computes numbers of a model from a prompt."""
    session = lt.Session()

    def begun() -> None:
        run_id, _ = session.begin(model, LONG)
        session.go_on(run_id, lt.Watch())

    yield lambda: lt.analyze(model, PROMPT)
    yield begun
    yield lambda: surprisal.read_text(model, run.tokens)
    yield lambda: diagnosis.examine(model, PROMPT)


@pytest.mark.parametrize("name", DAMAGED)
def test_damaged_weights_are_named(name: str, tiny_gpt2: lt.LoadedModel) -> None:
    change, words = DAMAGED[name]
    model = changed(tiny_gpt2, change)
    for ask in everything(model, lt.analyze(tiny_gpt2, PROMPT)):
        with pytest.raises(lt.TransparencyError, match=words) as caught:
            ask()
        assert caught.value.kind == "modelUnusable"
        assert caught.value.message.startswith("The weights of tiny hold numbers that are not finite: ")
        # it is float32 already
        assert caught.value.remedy == "Download or save the model again."


def test_weights_that_attention_passes_over_are_named(tiny_gpt2: lt.LoadedModel) -> None:
    # torch's own attention can drop a score that is NaN, and then only the proof shows it
    model = changed(tiny_gpt2, put(lambda m: m.transformer.h[1].attn.c_attn.weight[:, 3], NAN))
    for prompt in (PROMPT, LONG):
        with pytest.raises(lt.TransparencyError, match=r"h\.1\.attn\.c_attn\.weight, in .*layer 1\. Download"):
            lt.analyze(model, prompt)


@pytest.mark.parametrize("name", LOUD)
def test_what_exceeds_float16_is_named(name: str, tiny_gpt2: lt.LoadedModel) -> None:
    change, words = LOUD[name]
    model = changed(tiny_gpt2, change, torch.float16)
    for ask in everything(model, lt.analyze(tiny_gpt2, PROMPT)):
        with pytest.raises(lt.TransparencyError, match=f"{words}.* of tiny.* overflows in float16") as caught:
            ask()
        assert caught.value.kind == "modelUnsupported"
        assert caught.value.remedy == "Load the model in float32 or bfloat16."


def test_logits_that_only_an_earlier_position_exceeds_are_found_with_the_rest(tiny_gpt2: lt.LoadedModel) -> None:
    run = lt.analyze(tiny_gpt2, LONG)
    size = run.trace.logits.abs()
    output = int((size[-1] / size[:-1].amax(dim=0)).argmin())
    factor = 1.3 * 65504 / float(size[:-1, output].max())
    model = changed(tiny_gpt2, loudly(factor, lambda m: m.lm_head.weight[output]), torch.float16)
    session = lt.Session()
    run_id, begun = session.begin(model, LONG)
    assert begun.predictions(3).probabilities.isfinite().all()
    with pytest.raises(lt.TransparencyError, match=rf"The unembedding \(output {output}.*overflows in float16"):
        session.go_on(run_id, lt.Watch())


def test_a_batch_has_a_record_of_each(tiny_gpt2: lt.LoadedModel) -> None:
    for change, words in (DAMAGED["a row of the head"], DAMAGED["a neuron"]):
        records = list(lt.analyze_many(changed(tiny_gpt2, change), [PROMPT, PROMPT[:20], "Mary"]))
        assert sorted(record["index"] for record in records) == [0, 1, 2]
        for record in records:
            assert record["error"]["kind"] == "modelUnusable"
            assert words.replace("\\", "").split(" (")[0].strip(".") in record["error"]["message"]
            json.dumps(record, allow_nan=False)


def test_only_a_lens_that_exceeds_the_precision_is_refused(tiny_gpt2: lt.LoadedModel) -> None:
    def change(model: Any) -> None:
        # layer 1 writes it and layer 3 removes it: only the lenses in between read it
        model.transformer.ln_f.weight[3] = 6e4
        for layer, sign in ((1, 1.0), (3, -1.0)):
            model.transformer.h[layer].mlp.c_proj.weight.zero_()
            model.transformer.h[layer].mlp.c_proj.bias.zero_()
            model.transformer.h[layer].mlp.c_proj.bias[3] = sign * 300
        for layer in model.transformer.h:
            layer.attn.c_proj.weight[:, 3] = 0
            layer.attn.c_proj.bias[3] = 0
        for layer in (0, 2, 4):
            model.transformer.h[layer].mlp.c_proj.weight[:, 3] = 0
            model.transformer.h[layer].mlp.c_proj.bias[3] = 0
        model.transformer.wte.weight[:, 3] = 0.1
        model.transformer.wpe.weight[:, 3] = 0
        model.transformer.ln_f.bias[3] = 0
        model.lm_head.weight[:, 3] = 1e-2
        model.lm_head.weight[5, 3] = 1.0

    run = lt.analyze(changed(tiny_gpt2, change, torch.float16), PROMPT)
    assert run.predictions(5).probabilities.isfinite().all()
    with pytest.raises(lt.TransparencyError, match=r"overflows in float16\. Load the model in float32"):
        lt.inspect_node(run, "I2_4")
    with pytest.raises(lt.TransparencyError, match="overflows in float16"):
        lt.inspect_lens(run)
    with pytest.raises(lt.TransparencyError, match="overflows in float16"):
        lt.track_tokens(run, 3, [5])
    with pytest.raises(lt.TransparencyError, match="overflows in float16"):
        plain_lens(run.model.model, run.trace.token_ids)


def test_a_number_of_any_question_that_is_not_finite_is_refused(
    tiny_gpt2: lt.LoadedModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    from lm_transparency.routes import neurons

    run = lt.analyze(tiny_gpt2, PROMPT)
    plain = neurons.activations
    monkeypatch.setattr(neurons, "activations", lambda *given: plain(*given) * INF)
    for ask in (lambda: lt.inspect_ffn(run, 1, 3), lambda: lt.inspect_neuron(run, 1, 2, 3)):
        with pytest.raises(lt.TransparencyError, match=r"overflows in float32\. No precision here holds more"):
            ask()


def test_a_key_that_is_not_seen_is_no_fault(tiny_mistral: lt.LoadedModel) -> None:
    run = lt.analyze(tiny_mistral, PROMPT)
    assert lt.inspect_head(run, 1, 0, 9, key=1).key.score == -INF


@pytest.mark.parametrize(
    ("dtype", "remedy"),
    [
        ("float16", "float32 or bfloat16"),
        ("bfloat16", "Load the model in float32."),
        ("float32", "No precision"),
        ("float16, bitsandbytes 4bit", "float32 or bfloat16"),
    ],
)
def test_the_remedy_fits_the_precision(dtype: str, remedy: str) -> None:
    error = overflow(dtype, "It")
    assert remedy in error.remedy
    assert dtype.split(",")[0] in error.message


def test_finite_is_neither_infinite_nor_nan() -> None:
    assert is_finite(torch.tensor([1.0, -3e38]))
    assert is_finite(torch.empty(0))
    for bad in (NAN, INF, -INF):
        assert not is_finite(torch.tensor([1.0, bad, 2.0]))
        assert not is_finite(torch.tensor([bad, 1.0], dtype=torch.float16))
