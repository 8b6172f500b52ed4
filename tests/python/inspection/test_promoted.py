"""The tokens that units raise most: the same as each unit's own question gives, all in one answer."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

import lm_transparency as lt
from families import build
from lm_transparency.cli import main
from lm_transparency.model.anatomy import dissect
from lm_transparency.protocol.inspection import TokenScore

PROMPT = "When Mary and John went to the store"


@pytest.fixture(scope="module")
def tiny_moe(tiny_tokenizer: Any) -> lt.LoadedModel:
    model = build("mixtral", {"vocab_size": 440, "max_position_embeddings": 128})
    return lt.LoadedModel("tiny-mixtral", "tiny-mixtral", model, tiny_tokenizer, dissect(model))


def ids(scores: tuple[TokenScore, ...]) -> list[int]:
    return [score.id for score in scores]


@pytest.mark.parametrize("normalize", [True, False])
def test_each_unit_has_the_tokens_of_its_own_question(tiny_mistral: lt.LoadedModel, normalize: bool) -> None:
    run = lt.analyze(tiny_mistral, PROMPT)
    head = lt.inspect_head(run, 1, 2, 5, 3, normalize=normalize)
    neurons = [(layer, n) for layer in (0, 2) for n in (0, 7, 11)]
    units = ["I0_3>A1_5/2", "1.2@5", "M1_4", *(f"M{layer}_4#{n}" for layer, n in neurons)]
    found = lt.inspect_promoted(run, units, top_k=4, normalize=normalize)
    assert [one.unit for one in found.units] == units
    expected = [
        head.part.promoted,
        head.update.promoted,
        lt.inspect_node(run, "M1_4", normalize=normalize).update.promoted,
        *(lt.inspect_neuron(run, layer, n, 4, normalize=normalize).update.promoted for layer, n in neurons),
    ]
    for one, own in zip(found.units, expected, strict=True):
        assert ids(one.promoted) == ids(own[:4])
        assert [score.logit for score in one.promoted] == pytest.approx([s.logit for s in own[:4]], abs=1e-4)


def test_neurons_of_experts(tiny_moe: lt.LoadedModel) -> None:
    run = lt.analyze(tiny_moe, PROMPT)
    active = lt.inspect_experts(run, 0, 3).experts[0].expert
    own = lt.inspect_expert_neuron(run, 0, active, 1, 3).update.promoted
    expert = lt.inspect_experts(run, 0, 3, top_k=3).experts[0].promoted
    found = lt.inspect_promoted(run, [f"M0_3@{active}#1", f"M0_3@{active}"])
    assert [ids(one.promoted) for one in found.units] == [ids(own[:3]), ids(expert)]


def test_what_adds_nothing_promotes_nothing(tiny_moe: lt.LoadedModel) -> None:
    run = lt.analyze(tiny_moe, PROMPT)
    active = {one.expert for one in lt.inspect_experts(run, 0, 3).experts}
    idle = next(str(e) for e in range(16) if str(e) not in active)
    assert [one.promoted for one in lt.inspect_promoted(run, [f"M0_3@{idle}", f"M0_3@{idle}#1"]).units] == [(), ()]
    assert lt.inspect_promoted(run, []).units == ()


@pytest.mark.parametrize(
    ("unit", "says"),
    [
        ("1.2", "not one unit at one position"),
        ("M0_1+M1_1", "not one unit"),
        ("nothing", "is not a unit"),
        ("M9_1", "no layer 9"),
        ("1.99@3", "no head 99"),
        ("M1_99", "out of range"),
        ("I0_5>A1_3", "after the query"),
    ],
)
def test_what_is_not_there_is_refused(tiny_mistral: lt.LoadedModel, unit: str, says: str) -> None:
    run = lt.analyze(tiny_mistral, PROMPT)
    with pytest.raises(lt.TransparencyError, match=says):
        lt.inspect_promoted(run, [unit])


def test_too_many_are_refused(tiny_mistral: lt.LoadedModel) -> None:
    run = lt.analyze(tiny_mistral, "When Mary")
    with pytest.raises(lt.TransparencyError, match="257 units"):
        lt.inspect_promoted(run, ["M0_0"] * 257)


def test_the_command_line_prints_them(
    tiny_llama_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "one.prompt"
    file.write_text(PROMPT)
    asked = ["inspect", "promoted", "1.2@3, M0_3#5", str(file), "--model", str(tiny_llama_folder), "--top-k", "2"]
    assert main(asked) == 0
    first, second = capsys.readouterr().out.splitlines()
    assert first.startswith("1.2@3 ") and second.startswith("M0_3#5 ")
    assert main(["inspect", "promoted", "Mary", str(file)]) == 2
    assert "is not a unit" in capsys.readouterr().err
