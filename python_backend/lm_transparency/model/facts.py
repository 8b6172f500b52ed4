"""The one table of what cannot be found out about a model by looking at it. No `if family ==` anywhere else.

A row names the parts of a decoder block as its class names them. Rows are tried in order on the *structure* of the
block (all named children present, no child unaccounted for), so that a family that shares the structure needs no row
of its own; the reconstruction proof catches a row that does not fit.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class BlockFacts:
    """Attribute names inside one decoder block, and how its residual stream runs.

    `attention`, `ffn`: the sublayers; `output_projection`: W_O inside the attention; `ffn_norm`: the norm whose input
    is the residual after attention; `norms`: every other child the block may have. `parallel`: attention and
    feed-forward read the same input and are added in one step (GPT-J, NeoX, Phi, Falcon).
    """

    name: str
    attention: str
    output_projection: str
    ffn: str
    down_projection: str
    ffn_norm: str
    norms: frozenset[str]
    parallel: bool = False


BLOCKS: tuple[BlockFacts, ...] = (
    BlockFacts(
        name="Llama-like",
        attention="self_attn",
        output_projection="o_proj",
        ffn="mlp",
        down_projection="down_proj",
        ffn_norm="post_attention_layernorm",
        norms=frozenset({"input_layernorm"}),
    ),
    BlockFacts(
        name="GPT-2-like",
        attention="attn",
        output_projection="c_proj",
        ffn="mlp",
        down_projection="c_proj",
        ffn_norm="ln_2",
        norms=frozenset({"ln_1"}),
    ),
)

#: Where the parts around the blocks are, first match wins: (blocks, final norm), dotted from the whole model.
TRUNKS: tuple[tuple[str, str], ...] = (
    ("model.layers", "model.norm"),
    ("transformer.h", "transformer.ln_f"),
)

#: Configuration entries that scale or cap what the plain decomposition takes as it is, with their neutral values.
#: A model that sets one needs parts of its own (Granite, Gemma 2, Cohere …) and is refused until it has them.
NEUTRAL: dict[str, tuple[object, ...]] = {
    "residual_multiplier": (None, 1, 1.0),
    "logits_scaling": (None, 1, 1.0),
    "logit_scale": (None, 1, 1.0),
    "final_logit_softcapping": (None,),
    "attn_logit_softcapping": (None,),
}
