"""Writes `tests/vectors/*.json`: contributions, and their routes by the naive implementation.

.venv/bin/python tests/python/support/make_vectors.py            # all that need no model
.venv/bin/python tests/python/support/make_vectors.py --ioi      # and the IOI sentence on the embedded model
"""

from __future__ import annotations

import json
import sys
from typing import Any

import numpy as np

from contribution_tables import from_dense, random_table, to_table
from naive_graph import expected
from prompts import IOI, ROOT

FOLDER = ROOT / "tests" / "vectors"


def hand_made() -> dict[str, dict[str, Any]]:
    """The vectors that are the same on every machine, by file name."""
    medium = random_table(np.random.default_rng(20), 8, 12, 4, bias=0.5)
    crowded = random_table(np.random.default_rng(21), 6, 12, 2, concentration=2.0)
    parallel = random_table(np.random.default_rng(22), 3, 5, 2, parallel=True, bias=3.0)
    return {
        "two_layers": vector(
            "two layers, three tokens, two heads: every kind of edge, by hand",
            two_layers(),
            [(2, 0.04, True), (2, 0.04, False), (1, 0.04, True), (0, 0.04, True), (2, 0.2, True), (2, "auto", True)],
        ),
        "self_attention": vector(
            "attention from a token to itself and its residual are two edges between the same two nodes",
            self_attention(),
            [(1, 0.04, True), (1, 0.04, False)],
        ),
        "dead_rows": vector(
            "rows in which nothing exceeds the threshold: the mass that reaches them ends there",
            dead_rows(),
            [(1, 0.04, True), (1, 0.04, False), (1, 0.3, True), (0, 0.3, True), (1, 0.45, True)],
        ),
        "bias": vector(
            "the bias of an attention block is a part of its own, and mass ends in it",
            with_bias(),
            [(1, 0.04, True), (1, 0.04, False), (1, 0.26, True)],
        ),
        "hybrid": vector(
            "layers with a mixer: its edge stands beside the residual's, between the same two nodes",
            hybrid(),
            [(2, 0.04, True), (2, 0.04, False), (2, 0.3, True), (1, 0.04, True)],
        ),
        "exact_thresholds": vector(
            "a contribution equal to the threshold, as float32, does not exceed it",
            exact_thresholds(),
            [(1, 0.1, True), (1, 0.1, False), (1, 0.0999, True), (1, 0.0999, False)],
        ),
        "edges_of_weak_heads": vector(
            "an edge strong only in sum: dropped head by head when renormalising, kept by its sum otherwise",
            edges_of_weak_heads(),
            [(1, 0.04, True), (1, 0.04, False)],
        ),
        "one_token": vector("one token, one layer, one head", one_token(), [(0, 0.04, True), (0, 0.04, False)]),
        "parallel": vector(
            "parallel blocks: no node after attention, one row for attention, residual, bias and feed-forward",
            parallel,
            [(4, 0.04, True), (4, 0.04, False), (2, 0.01, True), (4, 0.08, True), (4, "auto", True)],
        ),
        "medium": vector(
            "random, 8 layers, 12 tokens, 4 heads",
            medium,
            [(11, 0.04, True), (11, 0.02, False), (5, 0.01, True), (11, "auto", True), (11, "auto", False)],
        ),
        "crowded": vector(
            "random, so many even contributions that the automatic threshold has to rise",
            crowded,
            [(11, "auto", True), (11, "auto", False), (8, "auto", True)],
        ),
    }


def two_layers() -> dict[str, Any]:
    attention = np.zeros((2, 3, 3, 2))
    residual, bias, ffn, ffn_residual = (np.zeros((2, 3)) for _ in range(4))
    attention[0, 0, 0] = (0.3, 0.1)
    residual[0, 0] = 0.6
    attention[0, 1, 0], attention[0, 1, 1] = (0.25, 0.03), (0.12, 0.0)
    residual[0, 1] = 0.6
    attention[0, 2, 0], attention[0, 2, 1], attention[0, 2, 2] = (0.2, 0.2), (0.02, 0.02), (0.06, 0.0)
    residual[0, 2] = 0.5
    attention[1, 0, 0] = (0.0, 0.0)
    residual[1, 0] = 1.0
    attention[1, 1, 0], attention[1, 1, 1] = (0.5, 0.0), (0.0, 0.05)
    residual[1, 1] = 0.45
    attention[1, 2, 0], attention[1, 2, 1], attention[1, 2, 2] = (0.1, 0.0), (0.3, 0.1), (0.0, 0.05)
    residual[1, 2], bias[1, 2] = 0.35, 0.1
    ffn[:] = (0.3, 0.02, 0.5), (0.9, 0.25, 0.4)
    ffn_residual[:] = 1 - ffn
    return from_dense(attention, residual, bias, ffn, ffn_residual)


def self_attention() -> dict[str, Any]:
    attention = np.zeros((1, 2, 2, 2))
    attention[0, 0, 0], attention[0, 1, 1] = (0.25, 0.25), (0.25, 0.125)
    residual, ffn = np.array([[0.5, 0.625]]), np.array([[0.5, 0.5]])
    return from_dense(attention, residual, np.zeros((1, 2)), ffn, 1 - ffn)


def dead_rows() -> dict[str, Any]:
    """Layer 1 of token 1 splits evenly; below, token 0 has no part at all, token 1 none above 0.3."""
    attention = np.zeros((2, 2, 2, 2))
    attention[1, 1, 0], attention[1, 1, 1] = (0.35, 0.0), (0.0, 0.25)
    attention[0, 1, 0], attention[0, 1, 1] = (0.25, 0.25), (0.25, 0.0)
    residual = np.array([[0.0, 0.25], [0.0, 0.4]])
    ffn = np.array([[0.5, 0.75], [0.0, 0.5]])
    ffn_residual = np.array([[0.5, 0.25], [0.0, 0.5]])
    return from_dense(attention, residual, np.zeros((2, 2)), ffn, ffn_residual)


def with_bias() -> dict[str, Any]:
    attention = np.zeros((2, 2, 2, 1))
    attention[:, 0, 0, 0] = 0.5, 0.25
    attention[:, 1, 0, 0], attention[:, 1, 1, 0] = (0.25, 0.125), (0.25, 0.125)
    bias = np.array([[0.25, 0.03], [0.5, 0.25]])
    residual = 1 - bias - attention.sum(axis=(2, 3))
    ffn = np.array([[0.5, 0.25], [0.75, 0.5]])
    return from_dense(attention, residual, bias, ffn, 1 - ffn)


def hybrid() -> dict[str, Any]:
    """Layer 0 has a mixer and no heads, layer 1 heads, layer 2 both."""
    attention = np.zeros((3, 3, 3, 2))
    attention[1, 0, 0] = (0.25, 0.125)
    attention[1, 1, 0], attention[1, 1, 1] = (0.25, 0.0), (0.0, 0.125)
    attention[1, 2, 0], attention[1, 2, 1], attention[1, 2, 2] = (0.125, 0.125), (0.25, 0.0), (0.0, 0.03125)
    attention[2, :, 0] = (0.125, 0.0625)
    mixer = np.array([[0.5, 0.375, 0.625], [0.0, 0.0, 0.0], [0.25, 0.03125, 0.25]])
    residual = 1 - mixer - attention.sum(axis=(2, 3))
    ffn = np.array([[0.5, 0.25, 0.0], [0.75, 0.5, 0.25], [0.25, 0.5, 0.75]])
    none = np.zeros((3, 3))
    mixed = {"mixer": [[float(value) for value in row] for row in mixer]}
    return from_dense(attention, residual, none, ffn, 1 - ffn) | mixed


def exact_thresholds() -> dict[str, Any]:
    """0.1 is larger as float32 than as float64."""
    attention = np.zeros((1, 2, 2, 2))
    attention[0, 0, 0] = (0.1, 0.0)
    attention[0, 1, 0], attention[0, 1, 1] = (0.1, 0.0), (0.0, 0.2)
    return from_dense(
        attention, np.array([[0.9, 0.6]]), np.array([[0.0, 0.1]]), np.array([[0.5, 0.1]]), np.array([[0.5, 0.9]])
    )


def edges_of_weak_heads() -> dict[str, Any]:
    attention = np.zeros((1, 2, 2, 4))
    attention[0, 0, 0] = 0.125
    attention[0, 1, 0], attention[0, 1, 1] = 0.0375, (0.05, 0.004, 0.0, 0.004)
    residual, ffn = 1 - attention.sum(axis=(2, 3)), np.full((1, 2), 0.25)
    return from_dense(attention, residual, np.zeros((1, 2)), ffn, 1 - ffn)


def one_token() -> dict[str, Any]:
    quarter = np.full((1, 1), 0.25)
    return from_dense(np.full((1, 1, 1, 1), 0.5), 2 * quarter, 0 * quarter, quarter, 3 * quarter)


def ioi() -> dict[str, Any]:
    """The IOI sentence on the embedded model, with a beginning-of-sequence token."""
    from lm_transparency import analyze, load_model

    run = analyze(load_model(dtype="float32", device="cpu"), IOI, special_tokens="bos")
    last = len(run.tokens) - 1
    return vector(
        "IOI on the embedded model, beginning-of-sequence token in front; 39 edges between tokens at 0.04, 178 at 0.02",
        to_table(run.contributions),
        [(last, 0.04, True), (last, 0.02, True), (last, "auto", True), (4, 0.1, False)],
    )


def vector(name: str, contributions: dict[str, Any], cases: list[tuple[int, float | str, bool]]) -> dict[str, Any]:
    made = []
    for target, threshold, renormalize in cases:
        case: dict[str, Any] = {"target": target, "threshold": threshold, "renormalize": renormalize}
        made.append(case | {"expected": _rounded(expected(contributions, case))})
    return {"name": name, "contributions": contributions, "cases": made}


def to_text(made: dict[str, Any]) -> str:
    """JSON with one line for each column, case and edge list."""
    columns = ",\n".join(f"    {json.dumps(k)}: {_json(v)}" for k, v in made["contributions"].items())
    cases = ",\n".join(f"    {_json(case)}" for case in made["cases"])
    name = json.dumps(made["name"])
    return f'{{\n  "name": {name},\n  "contributions": {{\n{columns}\n  }},\n  "cases": [\n{cases}\n  ]\n}}\n'


def _json(value: Any) -> str:
    return json.dumps(value, separators=(",", ":"))


def _rounded(value: Any) -> Any:
    """Rounded to eight decimals, so that the order of a sum does not matter."""
    if isinstance(value, float):
        return round(value, 8)
    if isinstance(value, list):
        return [_rounded(item) for item in value]
    if isinstance(value, dict):
        return {key: item if key == "threshold" else _rounded(item) for key, item in value.items()}
    return value


def main() -> None:
    vectors = hand_made()
    if "--ioi" in sys.argv:
        vectors["ioi"] = ioi()
    FOLDER.mkdir(parents=True, exist_ok=True)
    for name, made in vectors.items():
        text = to_text(made)
        (FOLDER / f"{name}.json").write_text(text, "utf-8")
        print(f"{name}.json: {len(text)} bytes, {len(made['cases'])} cases")


if __name__ == "__main__":
    main()
