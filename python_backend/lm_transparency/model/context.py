"""The longest prompt that a model reads, and positions that depend on the length of their prompt."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

# the server reads lengths before it has imported torch
if TYPE_CHECKING:
    from torch import nn

#: Names of the length in configurations; GPT-2 has n_positions.
_LENGTHS = ("max_position_embeddings", "n_positions")
#: Names of a configuration's rotary positions, now and before transformers 5.
_ROPES = ("rope_parameters", "rope_scaling")


def context_length(config: Any) -> int:
    """The number of tokens that a model of this configuration reads; 0: unlimited or unknown.

    `config`: a configuration, or the JSON object that one is read from. Rotary positions of the type `dynamic` grow
    with the prompt, so the length of their table is not a limit.
    """
    if "dynamic" in _rope_types(config):
        return 0
    found = (_get(config, name) for name in _LENGTHS)
    return next((int(n) for n in found if isinstance(n, int | float) and 0 < n < 1 << 62), 0)


def length_changes_positions(config: Any) -> bool:
    """Whether a token's rotary position depends on the length of its prompt."""
    return not _rope_types(config).isdisjoint({"dynamic", "longrope"})


def forget_lengths(model: nn.Module, config: Any) -> None:
    """Reset rotary positions to the model's own table: transformers keeps those of the longest prompt so far."""
    if "dynamic" not in _rope_types(config):
        return
    for module in model.modules():
        for name, original in list(module.named_buffers(recurse=False)):
            if name.endswith("original_inv_freq"):
                prefix = name.removesuffix("original_inv_freq")
                setattr(module, f"{prefix}inv_freq", original.clone())
                for cached in (f"{prefix}max_seq_len_cached", "max_seq_len_cached"):
                    if hasattr(module, cached):
                        setattr(module, cached, module.original_max_seq_len)


def _rope_types(config: Any) -> set[str]:
    return {kind for name in _ROPES for kind in _types(_get(config, name))}


def _types(rope: Any) -> Iterator[str]:
    """The type of rotary positions, or one for each type of layers."""
    if not isinstance(rope, dict):
        return
    kind = rope.get("rope_type", rope.get("type"))
    if isinstance(kind, str):
        yield kind
    for inner in rope.values():
        if isinstance(inner, dict):
            yield from _types(inner)


def _get(config: Any, name: str) -> Any:
    return config.get(name) if isinstance(config, dict) else getattr(config, name, None)
