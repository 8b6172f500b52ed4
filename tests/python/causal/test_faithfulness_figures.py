"""The statistics of docs/faithfulness.md on numbers worked out by hand, and the prompts that they are over."""

from __future__ import annotations

import json

import numpy as np
import pytest
from faithfulness.figures import bootstrap, covered, mean_over, overlap, spearman
from faithfulness.prompts import ALL_EDGES, FOLDER, PROMPT_KINDS, read_questions

from lm_transparency import load_model


def test_ties_share_their_mean_rank() -> None:
    # ranks 0, 1.5, 1.5, 3 and 0, 1, 2, 3: 4.5 / sqrt(4.5 · 5)
    assert spearman([1, 2, 2, 5], [10, 20, 30, 40]) == pytest.approx(4.5 / np.sqrt(22.5))


def test_sizes_and_signs_are_ranked_apart() -> None:
    assert spearman([1, -2, 3], [1, 2, -3]) == pytest.approx(1)
    # ranks 1, 0, 2 and 1, 2, 0
    assert spearman([1, -2, 3], [1, 2, -3], signed=True) == pytest.approx(-1)


def test_a_constant_score_has_no_rank_agreement() -> None:
    assert spearman([0, 0, 0, 0], [1, 2, 3, 4]) is None


def test_the_overlap_counts_what_is_among_the_largest_of_both() -> None:
    assert overlap([9, -8, 7, 1, 0], [-9, 0, 7, 8, 1], 3) == pytest.approx(2 / 3)
    assert overlap([9, 8, 7], [9, 8, 7], 3) is None


def test_the_overlap_of_ties_is_the_expected_one() -> None:
    # one place is left for three zeros, of which one is among the largest effects
    assert overlap([5, 0, 0, 0], [1, 9, 0.5, 0.1], 2) == pytest.approx((1 + 1 / 3) / 2)
    # a score that says nothing chooses at random
    assert overlap([0] * 10, range(10), 5) == pytest.approx(0.5)


def test_an_interval_is_the_same_on_every_run_and_holds_the_mean() -> None:
    values = [0.1, 0.5, None, 0.9, 0.4]
    found = bootstrap(values)
    assert found is not None
    assert found == bootstrap(values)
    assert found.n == 4
    assert found.value == pytest.approx(0.475)
    assert 0.1 <= found.low < found.value < found.high <= 0.9
    assert bootstrap([None]) is None


def test_an_interval_is_as_wide_as_the_standard_error_says() -> None:
    values = np.random.default_rng(3).standard_normal(400)
    found = bootstrap(values.tolist())
    assert found is not None
    assert found != bootstrap(values.tolist(), seed=1)
    assert found.high - found.low == pytest.approx(2 * 1.96 * values.std() / 20, rel=0.1)


def test_the_mean_of_a_curve_is_by_trapezoids() -> None:
    assert mean_over([0, 1, 3], [0, 2, 2]) == pytest.approx(5 / 3)


def test_candidates_cover_the_strongest() -> None:
    assert covered(["a", "d"], {"a": -5, "b": 4, "c": 0.1, "d": 0}, 2) == 0.5


def test_every_prompt_is_short_and_has_two_tokens_to_tell_apart() -> None:
    encode = load_model().tokenizer.encode
    questions = read_questions()
    assert [sum(q.kind == kind for q in questions) for kind in PROMPT_KINDS] == [8] * 6
    assert {q.kind for q in questions[:6]} == set(PROMPT_KINDS)
    assert len({q.prompt for q in questions}) == 48
    assert {q.prompt for q in questions} >= set(ALL_EDGES)
    for question in questions:
        assert len(encode(question.prompt)) <= 16
        assert len(encode(question.target)) == len(encode(question.contrast)) == 1
        assert question.target != question.contrast


def test_the_prompts_are_json_lines() -> None:
    for kind in PROMPT_KINDS:
        for line in (FOLDER / f"{kind}.jsonl").read_text("utf-8").splitlines():
            assert json.loads(line).keys() == {"prompt", "target", "contrast"}
