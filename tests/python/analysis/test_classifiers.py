"""Sequence classifiers: labels in place of tokens, the state they are read from, and routes that lead to the reason."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from classifiers import DECIDERS, FILLERS, LABELS, examples, save_random, save_trained, word_tokenizer
from lm_transparency import (
    LoadedModel,
    TransparencyError,
    analyze,
    export_text,
    inspect_head,
    inspect_lens,
    inspect_node,
    load_model,
    measure_head_tags,
    route_graph,
    track_tokens,
)
from lm_transparency.cli import main
from lm_transparency.exports.payload import model_info
from lm_transparency.inspection.diagnosis import examine

N_TOKENS = 20
FAMILIES = ("llama", "qwen2", "qwen3", "mistral", "gemma", "gemma2", "gpt2", "gpt_neox", "phi", "opt", "bloom")
TEXT = " ".join([*FILLERS[:7], "lovely", *FILLERS[7:12]])


@pytest.fixture(scope="module")
def trained_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_trained(tmp_path_factory.mktemp("models") / "sentiment", n_tokens=N_TOKENS)


@pytest.fixture(scope="module")
def trained(trained_folder: Path) -> LoadedModel:
    """A Llama trained to classify by one deciding word among random ones."""
    return load_model(str(trained_folder), dtype="float32", device="cpu")


def random_model(folder: Path, family: str, **changes: Any) -> LoadedModel:
    loaded = load_model(str(save_random(folder / family, family, **changes)), dtype="float32", device="cpu")
    # the tokenizer classes of some families do not know these words
    return replace(loaded, tokenizer=word_tokenizer())


def shares(model: LoadedModel, n: int) -> list[float]:
    """The share of the flow into the label that comes from the deciding word, for each prompt."""
    found: list[float] = []
    for example in examples(n, N_TOKENS, seed=1):
        run = analyze(model, example.text)
        assert run.proof.holds
        graph = route_graph(run.contributions, run.target)
        assert sum(graph.token_mass) + graph.bias_mass + graph.ended_mass == pytest.approx(1)
        found.append(graph.token_mass[example.decider])
    return found


def test_the_routes_of_a_label_lead_to_the_word_that_decides(trained: LoadedModel, tmp_path: Path) -> None:
    cases = examples(60, N_TOKENS, seed=1)
    answers = [analyze(trained, case.text).predictions(1) for case in cases]
    right = [int(p.ids[-1, 0]) == case.label for p, case in zip(answers, cases, strict=True)]
    assert all(right)
    learnt = shares(trained, 60)
    untrained = shares(random_model(tmp_path, "llama", num_hidden_layers=3), 60)
    chance = 1 / N_TOKENS
    mean, control = sum(learnt) / 60, sum(untrained) / 60
    print(
        f"\nshare of the flow that arrives at the deciding word, 60 prompts of {N_TOKENS} words: mean {mean:.3f}, "
        f"least {min(learnt):.3f}; untrained {control:.3f}; chance {chance:.3f}"
    )
    assert mean > 12 * chance
    assert min(learnt) > 6 * chance
    assert control < 3 * chance


@pytest.mark.parametrize("family", FAMILIES)
def test_a_classifiers_logits_parts_and_lens_are_exact(family: str, tmp_path: Path) -> None:
    model = random_model(tmp_path, family, num_labels=3)
    run = analyze(model, TEXT)
    ids = torch.tensor([[token.id for token in run.tokens]])
    with torch.no_grad():
        wanted = model.model(input_ids=ids).logits[0]
    assert wanted.shape == (3,)
    assert run.target == len(run.tokens) - 1
    assert torch.allclose(run.trace.logits[run.target], wanted, atol=1e-5)
    assert run.proof.holds
    assert run.notices == ()
    assert examine(model, TEXT).sound
    assert torch.allclose(run.predictions(3).logits[-1].sort().values, wanted.sort().values, atol=1e-5)


def test_logits_at_a_position_are_those_of_the_text_that_ends_there(trained: LoadedModel) -> None:
    run = analyze(trained, TEXT)
    for at in (0, 6, 7, 11):
        ids = torch.tensor([[token.id for token in run.tokens[: at + 1]]])
        with torch.no_grad():
            wanted = trained.model(input_ids=ids).logits[0]
        assert torch.allclose(run.trace.logits[at], wanted, atol=1e-4)


def test_the_pooled_position_is_the_last_that_is_no_padding(trained: LoadedModel) -> None:
    run = analyze(trained, TEXT + " <pad> <pad>")
    plain = analyze(trained, TEXT)
    assert run.target == len(run.tokens) - 3
    ids = torch.tensor([[token.id for token in run.tokens]])
    with torch.no_grad():
        wanted = trained.model(input_ids=ids).logits[0]
    assert torch.equal(run.trace.logits[run.target], wanted)
    assert torch.allclose(plain.trace.logits[-1], wanted, atol=1e-4)


def test_a_model_without_a_padding_token_reads_the_last(tmp_path: Path) -> None:
    model = random_model(tmp_path, "mistral", pad_token_id=None)
    run = analyze(model, TEXT + " <pad>")
    assert run.target == len(run.tokens) - 1


def test_labels_are_named_everywhere(trained: LoadedModel) -> None:
    run = analyze(trained, TEXT)
    predictions = run.predictions(10)
    assert predictions.texts[-1] == ("POSITIVE", "NEGATIVE")
    assert float(predictions.probabilities[-1].sum()) == pytest.approx(1)
    assert predictions.probabilities[-1, 0] > 0.9
    info = model_info(trained)
    assert (info.task, info.labels) == ("label", ["NEGATIVE", "POSITIVE"])
    assert info.n_vocab == len(trained.tokenizer)
    node = inspect_node(run, f"I2_{run.target}")
    assert node.top[0].text == "POSITIVE"
    assert node.top[0].probability == pytest.approx(float(predictions.probabilities[-1, 0]), abs=1e-5)
    assert {score.text for score in node.update.promoted} <= set(LABELS.values())
    head = inspect_head(run, 2, 0, run.target)
    assert {score.text for score in (*head.update.promoted, *head.query_reads)} <= set(LABELS.values())
    grid = inspect_lens(run, token=1)
    assert grid.top.max() < 2
    (track,) = track_tokens(run, run.target, [1])
    assert track.text == "POSITIVE"
    assert track.rank[-1] == 0
    with pytest.raises(TransparencyError, match="Choose 0 to 1"):
        inspect_lens(run, token=2)
    assert measure_head_tags(trained).scores.shape == (3, 4, 5)


def test_labels_of_their_own_have_probabilities_of_their_own(tmp_path: Path) -> None:
    model = random_model(tmp_path, "llama", num_labels=3, problem_type="multi_label_classification")
    run = analyze(model, TEXT)
    assert model_info(model).task == "labels"
    predictions = run.predictions(3)
    assert torch.allclose(predictions.probabilities, predictions.logits.sigmoid())
    grid = inspect_lens(run)
    top = run.trace.logits.max(dim=-1).values.sigmoid()
    assert torch.allclose(grid.top_probability[-1], top, atol=1e-5)
    node = inspect_node(run, f"I1_{run.target}")
    assert node.top[0].probability == pytest.approx(float(predictions.probabilities[-1, 0]), abs=1e-5)


def test_a_single_output_is_a_value_without_a_probability(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    model = random_model(tmp_path, "gpt2", num_labels=1)
    run = analyze(model, TEXT)
    assert model_info(model).task == "value"
    value = float(run.trace.logits[run.target, 0])
    assert float(run.predictions(1).probabilities.abs().max()) == 0
    document = json.loads(export_text(run, "json", target=run.target, threshold=0.04))
    assert document["target"] == {"position": run.target, "reads": "value"}
    (prediction,) = document["predictions"]
    assert prediction["probability"] is None
    assert prediction["logit"] == pytest.approx(value, abs=1e-5)
    assert main(["analyze", "--text", TEXT, "--model", str(tmp_path / "gpt2")]) == 0
    out = capsys.readouterr().out
    assert f"{value:+.3f}" in out
    assert "Value, read at" in out


def test_the_command_line_says_label_and_not_next_token(
    trained_folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    model = ["--model", str(trained_folder)]
    assert main(["analyze", "--text", TEXT, *model]) == 0
    text = capsys.readouterr().out
    assert "Label, read at ·w11 (position 12)" in text
    assert "POSITIVE" in text
    assert "Next token" not in text
    assert main(["analyze", "--text", TEXT, "--position", "3", *model]) == 0
    assert "Label, if the text ended at ·w3 (position 3)" in capsys.readouterr().out
    assert main(["analyze", "--text", TEXT, "--format", "json", *model]) == 0
    document = json.loads(capsys.readouterr().out)
    assert document["target"] == {"position": 12, "reads": "label"}
    assert document["predictions"][0]["text"] == "POSITIVE"
    assert main(["analyze", "--text", TEXT, "--format", "svg", *model]) == 0
    assert "to label POSITIVE" in capsys.readouterr().out


def test_a_classifier_without_its_head_is_refused(trained_folder: Path, tmp_path: Path) -> None:
    from safetensors.torch import load_file, save_file

    headless = tmp_path / "headless"
    headless.mkdir()
    for file in trained_folder.iterdir():
        (headless / file.name).write_bytes(file.read_bytes())
    weights = load_file(headless / "model.safetensors")
    del weights["score.weight"]
    save_file(weights, headless / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(TransparencyError, match=r"incomplete: score\.weight is missing"):
        load_model(str(headless), dtype="float32", device="cpu")


def test_the_deciding_words_are_in_the_vocabulary(trained: LoadedModel) -> None:
    unknown = trained.tokenizer.unk_token_id
    assert all(trained.tokenizer.convert_tokens_to_ids(word) != unknown for word in DECIDERS)
