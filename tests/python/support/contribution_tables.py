"""`Contributions` from and to the plain JSON of `tests/vectors/`, and random ones."""

from __future__ import annotations

from typing import Any

import numpy as np

from lm_transparency import Contributions

_DTYPES = {
    "edge_layer": np.uint16,
    "edge_query": np.uint32,
    "edge_key": np.uint32,
    "edge_weight": np.float32,
    "head_offset": np.uint32,
    "head_index": np.uint16,
    "head_weight": np.float32,
    "attention_residual": np.float32,
    "attention_bias": np.float32,
    "ffn": np.float32,
    "ffn_residual": np.float32,
    "mixer": np.float32,
}
_PLAIN = ("n_layers", "n_tokens", "n_heads", "parallel", "floor")


def to_contributions(table: dict[str, Any]) -> Contributions:
    # most tables are of models without a mixer, and say nothing of it
    table = {"mixer": [[0.0] * table["n_tokens"]] * table["n_layers"], **table}
    columns = {name: np.asarray(table[name], dtype=dtype) for name, dtype in _DTYPES.items()}
    # the graph never looks at the totals; a table has none
    rows = np.ones((table["n_layers"], table["n_tokens"]))
    plain = {name: table[name] for name in _PLAIN}
    return Contributions(
        **plain, **columns, attention_total=rows, ffn_total=rows, known=np.ones(rows.shape, dtype=bool)
    )


def to_table(contributions: Contributions) -> dict[str, Any]:
    """float32 as the shortest decimal that reads back as the same float32."""
    table: dict[str, Any] = {name: getattr(contributions, name) for name in _PLAIN}
    for name, dtype in _DTYPES.items():
        column = getattr(contributions, name)
        if name == "mixer" and not column.any():
            continue
        table[name] = _shortest(column) if dtype is np.float32 else column.tolist()
    return table


def from_dense(
    attention: np.ndarray,
    attention_residual: np.ndarray,
    attention_bias: np.ndarray,
    ffn: np.ndarray,
    ffn_residual: np.ndarray,
    *,
    parallel: bool = False,
    floor: float = 0.005,
) -> dict[str, Any]:
    """A table from dense contributions; `attention` is [layer, query, key, head]."""
    n_layers, n_tokens, _, n_heads = attention.shape
    table: dict[str, Any] = {
        "n_layers": n_layers,
        "n_tokens": n_tokens,
        "n_heads": n_heads,
        "parallel": parallel,
        "floor": floor,
        "edge_layer": [],
        "edge_query": [],
        "edge_key": [],
        "edge_weight": [],
        "head_offset": [0],
        "head_index": [],
        "head_weight": [],
    }
    for layer, query, key in np.ndindex(n_layers, n_tokens, n_tokens):
        heads = attention[layer, query, key].astype(np.float32)
        weight = np.float32(heads.sum(dtype=np.float64))
        if weight <= np.float32(floor):
            continue
        table["edge_layer"].append(layer)
        table["edge_query"].append(query)
        table["edge_key"].append(key)
        table["edge_weight"].append(_shortest(weight))
        for head in np.flatnonzero(heads > np.float32(floor)):
            table["head_index"].append(int(head))
            table["head_weight"].append(_shortest(heads[head]))
        table["head_offset"].append(len(table["head_index"]))
    rows = {
        "attention_residual": attention_residual,
        "attention_bias": attention_bias,
        "ffn": ffn,
        "ffn_residual": ffn_residual,
    }
    return table | {name: _shortest(values.astype(np.float32)) for name, values in rows.items()}


def random_table(
    generator: np.random.Generator,
    n_layers: int,
    n_tokens: int,
    n_heads: int,
    *,
    parallel: bool = False,
    concentration: float = 0.15,
    bias: float = 1.0,
) -> dict[str, Any]:
    """Rows that sum to 1, mostly residual with a few strong heads, like real ones. Low `concentration`: fewer."""
    attention = np.zeros((n_layers, n_tokens, n_tokens, n_heads))
    residual, biases, ffn, ffn_residual = (np.zeros((n_layers, n_tokens)) for _ in range(4))
    for layer, query in np.ndindex(n_layers, n_tokens):
        n_parts = (query + 1) * n_heads
        weights = generator.gamma(concentration, size=n_parts + 3)
        weights[n_parts:] *= (6.0, bias, 4.0)
        if not parallel:
            near = generator.gamma(1.0, size=2)
            ffn[layer, query], ffn_residual[layer, query] = near / near.sum()
            weights[-1] = 0.0
        weights /= weights.sum()
        attention[layer, query, : query + 1] = weights[:n_parts].reshape(query + 1, n_heads)
        residual[layer, query], biases[layer, query] = weights[n_parts], weights[n_parts + 1]
        if parallel:
            ffn[layer, query] = weights[n_parts + 2]
    return from_dense(attention, residual, biases, ffn, ffn_residual, parallel=parallel)


def _shortest(values: Any) -> Any:
    if isinstance(values, np.ndarray) and values.ndim:
        return [_shortest(value) for value in values]
    return float(str(np.float32(values)))
