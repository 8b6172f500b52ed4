"""An analysis as bytes: small things as a map, bulk as columns, in msgpack (explained in `protocol.COLUMNS`)."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import Any

import msgpack
import numpy as np

from ..analysis.result import Analysis, Predictions
from ..model.block import Block
from ..model.loading import LoadedModel
from ..model.tokens import Token
from ..prompts.units import Units
from ..protocol import analysis as protocol
from ..protocol.models import ModelInfo
from ..protocol.wire import camel_case, to_wire
from ..trace.proof import Proof


def encode_payload(run_id: str, analysis: Analysis, top_k: int) -> bytes:
    """`{"meta": AnalysisMeta, "columns": {name: {"dtype", "shape", "data"}}}`, little-endian, names in camelCase."""
    started = time.perf_counter()
    predictions = analysis.predictions(top_k)
    columns = {camel_case(name): _column(name, analysis, predictions) for name in protocol.COLUMNS}
    meta = protocol.AnalysisMeta(
        format=protocol.PAYLOAD_FORMAT,
        run_id=run_id,
        prompt=analysis.prompt,
        model=model_info(analysis.model),
        tokens=token_infos(analysis.prompt, analysis.tokens),
        target=analysis.target,
        predicted=[list(row) for row in predictions.texts],
        floor=analysis.contributions.floor,
        proof=proof_message(analysis.proof),
        timing=protocol.Timing(analysis.forward_s, analysis.contributions_s, 0.0),
        notices=list(analysis.notices),
        layer_kinds=_layer_kinds(analysis.model.anatomy.blocks),
    )
    timing = replace(meta.timing, payload_s=time.perf_counter() - started)
    packed = msgpack.packb({"meta": to_wire(replace(meta, timing=timing)), "columns": columns})
    assert packed is not None
    return packed


def _layer_kinds(blocks: tuple[Block, ...]) -> list[protocol.LayerKind]:
    kinds: dict[tuple[bool, bool], protocol.LayerKind] = {
        (True, False): "attention",
        (False, True): "mixer",
        (True, True): "both",
        (False, False): "neither",
    }
    found: list[protocol.LayerKind] = [kinds[block.has_attention, block.mixer is not None] for block in blocks]
    return found if set(found) != {"attention"} else []


def model_info(model: LoadedModel) -> ModelInfo:
    anatomy = model.anatomy
    return ModelInfo(
        source=model.source,
        name=model.name,
        architecture=model.architecture,
        n_params=model.n_params,
        n_layers=anatomy.n_layers,
        n_heads=anatomy.n_heads,
        n_kv_heads=anatomy.n_kv_heads,
        d_model=anatomy.d_model,
        d_ffn=anatomy.d_ffn,
        n_vocab=anatomy.n_vocab,
        n_context=anatomy.n_context,
        dtype=model.dtype,
        device=model.device,
        memory_bytes=model.memory_bytes,
        parallel=anatomy.parallel,
        n_experts=[0 if block.experts is None else block.experts.n_experts for block in anatomy.blocks],
        task=anatomy.readout.task,
        labels=list(anatomy.readout.labels),
    )


def token_infos(prompt: str, tokens: tuple[Token, ...]) -> list[protocol.TokenInfo]:
    """Tokens with their spans in UTF-16 units, which is how an editor counts."""
    at = Units(prompt).to_units
    return [protocol.TokenInfo(t.id, t.text, at(t.start), at(t.end), t.special, t.shared, t.template) for t in tokens]


def proof_message(proof: Proof) -> protocol.Proof:
    return protocol.Proof(
        max_relative_error=proof.max_relative_error,
        worst_layer=proof.worst_layer,
        tolerance=proof.tolerance,
        holds=proof.holds,
        per_layer=list(proof.per_layer),
        worst_part=proof.worst_part,
        attention=[layer.attention for layer in proof.layers if layer.attention is not None],
        ffn=[layer.ffn for layer in proof.layers if layer.ffn is not None],
        whole=[layer.whole for layer in proof.layers],
    )


def _column(name: str, analysis: Analysis, predictions: Predictions) -> dict[str, Any]:
    dtype = protocol.COLUMNS[name][0]
    if name.startswith("prediction_"):
        source = {"id": predictions.ids, "probability": predictions.probabilities, "logit": predictions.logits}
        values = source[name.removeprefix("prediction_")].numpy()
    else:
        values = getattr(analysis.contributions, name)
    array = np.ascontiguousarray(values, dtype=np.dtype(dtype).newbyteorder("<"))
    return {"dtype": dtype, "shape": list(array.shape), "data": array.tobytes()}
