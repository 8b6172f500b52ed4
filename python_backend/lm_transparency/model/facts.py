"""The one table of facts about models that cannot be found by inspection. There is no `if family ==` anywhere else.

A row names the parts of a decoder block as its class names them. Rows are tried in order on the *structure* of the
block (all named children present, no child unaccounted for), so a family that shares a structure needs no row of its
own. The reconstruction proof catches a row that does not fit.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class BlockFacts:
    """Attribute names (dotted where deeper) inside one decoder block, and how its residual stream runs.

    `attention`, `ffn`: the sublayers. `ffn_norm`: the module that reads the residual after attention (a norm, or the
    feed-forward block itself where there is none before it). `attention_norm_after`, `ffn_norm_after`: a norm between
    the sublayer and the residual stream (Gemma 2, OLMo 2). `norms`: every other child the block may have. `parallel`:
    attention and feed-forward read the same input and are added in one step (GPT-J, NeoX, Phi, Falcon); a text names
    the configuration entry that decides it. `attention` or `ffn` empty: the block has no such sublayer. `mixer`: the
    module that moves information between tokens without attention probabilities, where it has none of the names in
    `MIXERS`. `ffn_beside`: a second feed-forward module that reads the same state and is added (Granite's shared
    experts). `carries`: the norm before attention, where its output is the residual (MiniMax; before the feed-forward
    block `ffn_norm` is). `kinds`: the layer types (`LAYER_TYPE`) that the row is for; empty: any. `needs`: attributes
    that the block must have for the row to apply.
    """

    name: str
    attention: str
    ffn: str
    ffn_norm: str
    norms: frozenset[str] = frozenset()
    attention_norm_after: str = ""
    ffn_norm_after: str = ""
    parallel: bool | str = False
    mixer: str = ""
    ffn_beside: str = ""
    carries: str = ""
    kinds: frozenset[str] = frozenset()
    needs: tuple[str, ...] = ()


#: Layer types whose `attention` has no probabilities: linear attention, state spaces, short convolutions.
MIXER_TYPES = frozenset({"linear_attention", "mamba", "conv", "recurrent"})

BLOCKS: tuple[BlockFacts, ...] = (
    BlockFacts(
        name="MiniMax-like",
        attention="self_attn",
        ffn="mlp",
        ffn_norm="post_attention_layernorm",
        norms=frozenset({"input_layernorm"}),
        carries="input_layernorm",
        needs=("attn_alpha_factor",),
    ),
    # two norms, and only the configuration says how they are connected
    BlockFacts(
        name="Llama-like",
        attention="self_attn",
        ffn="mlp",
        ffn_norm="post_attention_layernorm",
        norms=frozenset({"input_layernorm"}),
        parallel="use_parallel_residual",
    ),
    BlockFacts(
        name="GPT-2-like",
        attention="attn",
        ffn="mlp",
        ffn_norm="ln_2",
        norms=frozenset({"ln_1"}),
    ),
    BlockFacts(
        name="NeoX-like",
        attention="attention",
        ffn="mlp",
        ffn_norm="post_attention_layernorm",
        norms=frozenset({"input_layernorm"}),
        parallel="use_parallel_residual",
    ),
    BlockFacts(
        name="Gemma-2-like",
        attention="self_attn",
        ffn="mlp",
        ffn_norm="pre_feedforward_layernorm",
        norms=frozenset({"input_layernorm"}),
        attention_norm_after="post_attention_layernorm",
        ffn_norm_after="post_feedforward_layernorm",
    ),
    BlockFacts(
        name="GLM-4-like",
        attention="self_attn",
        ffn="mlp",
        ffn_norm="post_attention_layernorm",
        norms=frozenset({"input_layernorm"}),
        attention_norm_after="post_self_attn_layernorm",
        ffn_norm_after="post_mlp_layernorm",
    ),
    BlockFacts(
        name="HyperCLOVA-like",
        attention="self_attn",
        ffn="mlp",
        ffn_norm="post_attention_layernorm",
        norms=frozenset({"input_layernorm"}),
        attention_norm_after="post_norm1",
        ffn_norm_after="post_norm2",
    ),
    BlockFacts(
        name="OLMo-2-like",
        attention="self_attn",
        ffn="mlp",
        ffn_norm="mlp",
        attention_norm_after="post_attention_layernorm",
        ffn_norm_after="post_feedforward_layernorm",
    ),
    BlockFacts(
        name="VaultGemma-like",
        attention="self_attn",
        ffn="mlp",
        ffn_norm="pre_feedforward_layernorm",
        norms=frozenset({"input_layernorm"}),
    ),
    BlockFacts(
        name="Apertus-like",
        attention="self_attn",
        ffn="mlp",
        ffn_norm="feedforward_layernorm",
        norms=frozenset({"attention_layernorm"}),
    ),
    BlockFacts(
        name="Phi-like",
        attention="self_attn",
        ffn="mlp",
        ffn_norm="input_layernorm",
        parallel=True,
    ),
    BlockFacts(
        name="Granite-MoE-like",
        attention="self_attn",
        ffn="block_sparse_moe",
        ffn_norm="post_attention_layernorm",
        norms=frozenset({"input_layernorm"}),
    ),
    BlockFacts(
        name="Granite-shared-like",
        attention="self_attn",
        ffn="block_sparse_moe",
        ffn_norm="post_attention_layernorm",
        norms=frozenset({"input_layernorm"}),
        ffn_beside="shared_mlp",
    ),
    BlockFacts(
        name="Granite-hybrid-like",
        attention="self_attn",
        ffn="shared_mlp",
        ffn_norm="post_attention_layernorm",
        norms=frozenset({"input_layernorm"}),
    ),
    # a gate on an embedding of the token adds once more in each layer
    BlockFacts(
        name="Gemma-4-like",
        attention="self_attn",
        ffn="mlp",
        ffn_norm="pre_feedforward_layernorm",
        norms=frozenset({"input_layernorm", "per_layer_input_gate", "per_layer_projection"}),
        attention_norm_after="post_attention_layernorm",
        ffn_norm_after="post_feedforward_layernorm",
        ffn_beside="post_per_layer_input_norm",
    ),
    BlockFacts(
        name="Llama-4-like",
        attention="self_attn",
        ffn="feed_forward",
        ffn_norm="post_attention_layernorm",
        norms=frozenset({"input_layernorm"}),
    ),
    # the module around the feed-forward block adds the residual itself, so its last layer writes
    BlockFacts(
        name="BLOOM-like",
        attention="self_attention",
        ffn="mlp.dense_4h_to_h",
        ffn_norm="post_attention_layernorm",
        norms=frozenset({"input_layernorm"}),
        parallel="parallel_attn",
    ),
    BlockFacts(
        name="Falcon-like",
        attention="self_attention",
        ffn="mlp",
        ffn_norm="input_layernorm",
        parallel="parallel_attn",
    ),
    BlockFacts(
        name="Falcon-40B-like",
        attention="self_attention",
        ffn="mlp",
        ffn_norm="ln_mlp",
        norms=frozenset({"ln_attn"}),
        parallel=True,
    ),
    BlockFacts(
        name="GPT-J-like",
        attention="attn",
        ffn="mlp",
        ffn_norm="ln_1",
        parallel=True,
    ),
    BlockFacts(
        name="GPT-Neo-like",
        attention="attn.attention",
        ffn="mlp",
        ffn_norm="ln_2",
        norms=frozenset({"ln_1"}),
    ),
    BlockFacts(
        name="MPT-like",
        attention="attn",
        ffn="ffn.down_proj",
        ffn_norm="norm_2",
        norms=frozenset({"norm_1"}),
    ),
    BlockFacts(
        name="CTRL-like",
        attention="multi_head_attention",
        ffn="ffn",
        ffn_norm="layernorm2",
        norms=frozenset({"layernorm1"}),
    ),
    # the second of two bare layers is what the feed-forward block writes
    BlockFacts(
        name="OPT-like",
        attention="self_attn",
        ffn="fc2",
        ffn_norm="final_layer_norm",
        norms=frozenset({"self_attn_layer_norm", "fc1"}),
    ),
    BlockFacts(
        name="Jamba-like",
        attention="self_attn",
        ffn="feed_forward",
        ffn_norm="pre_ff_layernorm",
        norms=frozenset({"input_layernorm"}),
    ),
    BlockFacts(
        name="LFM-2-like",
        attention="self_attn",
        ffn="feed_forward",
        ffn_norm="ffn_norm",
        norms=frozenset({"operator_norm"}),
    ),
    BlockFacts(
        name="LFM-3-like",
        attention="self_attn",
        ffn="feed_forward",
        ffn_norm="ffn_norm",
        norms=frozenset({"operator_norm"}),
        attention_norm_after="post_operator_norm",
        ffn_norm_after="post_ffn_norm",
    ),
    BlockFacts(
        name="Griffin-like",
        attention="temporal_block",
        ffn="mlp_block",
        ffn_norm="channel_pre_norm",
        norms=frozenset({"temporal_pre_norm"}),
    ),
    BlockFacts(
        name="AFMoE-like",
        attention="self_attn",
        ffn="mlp",
        ffn_norm="pre_mlp_layernorm",
        norms=frozenset({"input_layernorm"}),
        attention_norm_after="post_attention_layernorm",
        ffn_norm_after="post_mlp_layernorm",
    ),
    # one sublayer per block; its type says which one
    BlockFacts(
        name="Nemotron-H-like",
        attention="",
        ffn="",
        ffn_norm="",
        norms=frozenset({"norm"}),
        mixer="mixer",
        kinds=MIXER_TYPES,
    ),
    BlockFacts(
        name="Nemotron-H-like",
        attention="mixer",
        ffn="",
        ffn_norm="",
        norms=frozenset({"norm"}),
        kinds=frozenset({"full_attention"}),
    ),
    BlockFacts(
        name="Nemotron-H-like",
        attention="",
        ffn="mixer",
        ffn_norm="norm",
        kinds=frozenset({"mlp", "moe"}),
    ),
    # the shared transformer block writes into the state-space mixer, never into the residual stream
    BlockFacts(
        name="Zamba-like",
        attention="",
        ffn="",
        ffn_norm="",
        norms=frozenset({"input_layernorm"}),
        mixer="mamba",
    ),
    BlockFacts(
        name="Zamba-like",
        attention="",
        ffn="",
        ffn_norm="",
        norms=frozenset({"linear", "shared_transf"}),
        mixer="mamba_decoder.mamba",
    ),
    BlockFacts(
        name="Zamba-2-like",
        attention="",
        ffn="",
        ffn_norm="",
        norms=frozenset({"linear", "shared_transformer"}),
        mixer="mamba_decoder.mamba",
    ),
    BlockFacts(
        name="Mamba-like",
        attention="",
        ffn="",
        ffn_norm="",
        norms=frozenset({"norm"}),
        mixer="mixer",
    ),
)

#: Children of a block, in place of attention or beside it, that have no attention probabilities.
MIXERS = ("linear_attn", "mamba", "conv")
#: Where a block, or the configuration by layer, gives its type.
LAYER_TYPE = ("block_type", "layer_type")
LAYER_TYPES = ("layer_types", "layers_block_type")

#: Names of W_O inside the attention, and of the output weights inside the feed-forward block.
OUTPUT_PROJECTIONS = ("o_proj", "c_proj", "dense", "out_proj")
#: W_O's bias where the attention holds it itself (GPT-NeoX Japanese).
OUTPUT_BIAS = "dense_bias"
DOWN_PROJECTIONS = ("down_proj", "c_proj", "dense_4h_to_h", "fc2", "fc_out", "output_linear")
#: Names of the experts of a feed-forward block, and of the router that chooses among them.
EXPERTS = ("experts",)
ROUTERS = ("router", "gate")

#: Places of the parts around the blocks, first match wins: (blocks, final norm), dotted from the whole model.
TRUNKS: tuple[tuple[str, str], ...] = (
    ("model.layers", "model.norm"),
    ("model.layers", "model.final_layernorm"),
    ("transformer.h", "transformer.ln_f"),
    ("gpt_neox.layers", "gpt_neox.final_layer_norm"),
    ("biogpt.layers", "biogpt.layer_norm"),
    ("model.decoder.layers", "model.decoder.final_layer_norm"),
    ("model.layers", "model.layer_norm"),
    ("transformer.blocks", "transformer.norm_f"),
    ("transformer.h", "transformer.layernorm"),
    ("model.layers", "model.embedding_norm"),
    ("model.layers", "model.final_norm"),
    ("model.layers", "model.norm_f"),
    ("backbone.layers", "backbone.norm_f"),
    ("gpt_neox_japanese.layers", "gpt_neox_japanese.final_layer_norm"),
)

#: Attributes of a block that scale what its sublayers add to the residual stream.
RESIDUAL_MULTIPLIERS = ("residual_multiplier", "residual_scale")
#: … and that scale one of two sublayers side by side: attention, or the mixer (Falcon-H1).
ATTENTION_MULTIPLIERS = ("attn_out_multiplier", "attn_beta_factor")
FFN_MULTIPLIERS = ("mlp_beta_factor", "layer_scalar")
#: … and that scale the residual carried past attention, and past the feed-forward block: a number, or a gain per
#: channel.
CARRIED_MULTIPLIERS = ("attn_alpha_factor", "input_residual")
CARRIED_MID_MULTIPLIERS = ("mlp_alpha_factor", "post_attention_residual", "layer_scalar")
MIXER_MULTIPLIERS = ("ssm_out_multiplier",)
#: Configuration entries that multiply the logits, divide them, and cap them softly: cap · tanh(logits / cap).
LOGIT_MULTIPLIERS = ("logit_scale", "lm_head_multiplier")
LOGIT_DIVISORS = ("logits_scaling",)
LOGIT_SOFTCAPS = ("final_logit_softcapping", "logits_soft_cap")

#: Names of the number of key-value heads.
KV_HEADS = ("num_key_value_heads", "num_kv_heads")
