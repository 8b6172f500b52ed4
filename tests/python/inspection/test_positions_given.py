"""Positions count from the beginning or, when negative, from the end, in every function that takes one."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import lm_transparency as lt
from families import build
from lm_transparency.cli import main
from lm_transparency.exports.document import as_document
from lm_transparency.inspection.named import named_tokens
from lm_transparency.lens.plain import plain_lens
from lm_transparency.model.anatomy import dissect
from lm_transparency.protocol.ffn import FfnNeuronsParams
from lm_transparency.protocol.heads import EdgeHeadsParams, HeadParams
from lm_transparency.protocol.inspection import NodeTokensParams
from lm_transparency.protocol.lens import LensTrackParams
from lm_transparency.routes.gathering import Gathering
from lm_transparency.session.answers import answer

PROMPT = "When Mary and John went to the store"


def reached(run: lt.Analysis, position: int) -> Any:
    gathering = Gathering(run.trace)
    gathering.reach(position)
    return gathering.result()[0].known


QUESTIONS: dict[str, Callable[[lt.Analysis, int], Any]] = {
    "routes": lambda run, p: run.routes(p),
    "route_graph": lambda run, p: lt.route_graph(run.contributions, p, 0.04),
    "auto_threshold": lambda run, p: lt.auto_threshold(run.contributions, p),
    "reach": reached,
    "node": lambda run, p: lt.inspect_node(run, f"A1_{p}"),
    "edge": lambda run, p: lt.inspect_edge(run, 1, p, 0),
    "an edge's key": lambda run, p: lt.inspect_edge(run, 1, len(run.tokens) - 1, p),
    "head": lambda run, p: lt.inspect_head(run, 1, 1, p),
    "a head's key": lambda run, p: lt.inspect_head(run, 1, 1, len(run.tokens) - 1, p),
    "ffn": lambda run, p: lt.inspect_ffn(run, 1, p),
    "neuron": lambda run, p: lt.inspect_neuron(run, 1, 3, p),
    "track": lambda run, p: lt.track_tokens(run, p, [3]),
    "named": lambda run, p: named_tokens(run, p, "#7", None),
    "plain lens": lambda run, p: plain_lens(run.model.model, run.trace.token_ids, p).numpy(),
    "export": lambda run, p: lt.export_text(run, "csv", target=p, threshold=0.04),
    "batch": lambda run, p: [
        record["graph"] for record in lt.analyze_many(run.model, [PROMPT], position=p) if not record["error"]
    ],
}


OF_EXPERTS: dict[str, Callable[[lt.Analysis, int], Any]] = {
    "experts": lambda run, p: lt.inspect_experts(run, 1, p),
    "expert": lambda run, p: lt.inspect_expert(run, 1, lt.inspect_experts(run, 1, -2).experts[0].expert, p),
    "neuron": lambda run, p: lt.inspect_expert_neuron(run, 1, lt.inspect_experts(run, 1, -2).experts[0].expert, 1, p),
}


def same(one: Any, other: Any) -> bool:
    if isinstance(one, np.ndarray):
        return bool((one == other).all())
    return repr(one) == repr(other)


@pytest.fixture(scope="module")
def run(tiny_gpt2: lt.LoadedModel) -> lt.Analysis:
    return lt.analyze(tiny_gpt2, PROMPT)


@pytest.mark.parametrize("question", QUESTIONS)
def test_negative_positions_count_from_the_end(question: str, run: lt.Analysis) -> None:
    ask, n_tokens = QUESTIONS[question], len(run.tokens)
    for back in (1, 2, n_tokens):
        assert same(ask(run, -back), ask(run, n_tokens - back))


@pytest.mark.parametrize("question", [name for name in QUESTIONS if name != "batch"])
def test_positions_out_of_range_are_refused_in_one_sentence(question: str, run: lt.Analysis) -> None:
    n_tokens = len(run.tokens)
    for position in (n_tokens, -n_tokens - 1, 10**6):
        with pytest.raises(lt.TransparencyError) as caught:
            QUESTIONS[question](run, position)
        assert caught.value.kind == "invalidPosition"
        assert str(caught.value) == (
            f"Position {position} is out of range: the prompt has {n_tokens} tokens. "
            f"Choose 0 to {n_tokens - 1}, or -1 for the last."
        )


@pytest.mark.parametrize("question", OF_EXPERTS)
def test_questions_about_experts_count_alike(question: str, tiny_tokenizer: Any) -> None:
    model = build("mixtral", {"vocab_size": 440, "max_position_embeddings": 128})
    run = lt.analyze(lt.LoadedModel("tiny", "tiny", model, tiny_tokenizer, dissect(model)), PROMPT)
    ask, n_tokens = OF_EXPERTS[question], len(run.tokens)
    assert same(ask(run, -2), ask(run, n_tokens - 2))
    with pytest.raises(lt.TransparencyError, match=f"Position {-n_tokens - 1} is out of range"):
        ask(run, -n_tokens - 1)


def test_the_servers_answers_count_alike(tiny_gpt2: lt.LoadedModel) -> None:
    session = lt.Session()
    run_id, run = session.analyze(tiny_gpt2, PROMPT)
    n_tokens = len(run.tokens)
    for ask in (
        lambda p: LensTrackParams(run_id, p, [3]),
        lambda p: FfnNeuronsParams(run_id, 1, p),
        lambda p: EdgeHeadsParams(run_id, 1, p, 0),
        lambda p: HeadParams(run_id, 1, 1, p),
        lambda p: NodeTokensParams(run_id, f"A1_{p}"),
    ):
        given, wanted = (answer(ask(p), session, lt.Watch()) for p in (-2, n_tokens - 2))
        assert repr(given) == repr(wanted)
        with pytest.raises(lt.TransparencyError, match="is out of range"):
            answer(ask(-n_tokens - 1), session, lt.Watch())


def test_the_command_line_counts_alike(
    tiny_gpt2_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LMT_CACHE_DIR", str(tmp_path))
    file = tmp_path / "a.txt"
    file.write_text(PROMPT)
    asked = ["inspect", "head", "1.1", str(file), "--model", str(tiny_gpt2_folder), "--format", "json", "--query"]
    assert main([*asked, "-1"]) == 0
    n_tokens = json.loads(capsys.readouterr().out)["query"] + 1
    assert main([*asked, str(-n_tokens)]) == 0
    assert json.loads(capsys.readouterr().out)["query"] == 0
    for position in (n_tokens, -n_tokens - 1):
        assert main([*asked, str(position)]) == 2
        assert f"Position {position} is out of range" in capsys.readouterr().err


def test_a_named_token_says_which_it_is(run: lt.Analysis) -> None:
    named = named_tokens(run, -1, "#7", "#8")
    assert named is not None
    assert named.contrast is not None
    assert (named.target.token, named.contrast.token) == (7, 8)
    assert [note.split(" is ")[0] for note in named.notes] == ["'#7'", "'#8'"]
    document = as_document(run, run.routes(), 5, named)
    assert document["notices"] == [*run.notices, *named.notes]
