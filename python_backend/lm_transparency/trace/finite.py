"""Checks that no result holds a NaN or an infinity, and explains where the first one arose and what helps."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from jaxtyping import Float
from torch import Tensor, nn
from transformers import PreTrainedModel

from ..errors import TransparencyError
from ..model.loading import LoadedModel
from ..wording import quoted
from .trace import Trace

#: The remedy for each precision whose range a model exceeds.
_REMEDIES = {
    "float16": "Load the model in float32 or bfloat16.",
    "bfloat16": "Load the model in float32.",
}
_NONE_WIDER = "No precision here holds more, so its files or its configuration are at fault: download or save it again."


def is_finite(numbers: Float[Tensor, "..."]) -> bool:
    """Whether all values are finite."""
    if not numbers.numel():
        return True
    # one pass, without a second tensor of their size
    return all(bool(torch.isfinite(end)) for end in numbers.aminmax())


def overflow(dtype: str, what: str, where: str = "") -> TransparencyError:
    """The error for `what` ("The lens of …") in a model of this precision (`LoadedModel.dtype`)."""
    precision = dtype.partition(",")[0]
    return TransparencyError(
        "modelUnsupported", f"{what} overflows in {precision}{where}.", _REMEDIES.get(precision, _NONE_WIDER)
    )


def not_finite(model: PreTrainedModel, what: str) -> TransparencyError:
    """The error for `what` ("The lens of …") of a model that is run as a whole, so that no part is known."""
    damaged = _damaged(model, model)
    if damaged:
        return _unusable(type(model).__name__, damaged)
    return overflow(str(model.dtype).removeprefix("torch."), f"{what} of {type(model).__name__}")


def check_finite(model: LoadedModel, trace: Trace) -> None:
    """Raise `TransparencyError` where states or logits of `trace` are not finite.

    `modelUnusable` for damaged weights, `modelUnsupported` where numbers exceed the precision.
    """
    # what one layer leaves behind is carried by every later one
    if not (is_finite(trace.layers[-1].post) and is_finite(trace.logits)):
        raise _found(model, trace)


def not_provable(model: LoadedModel, trace: Trace, layer: int) -> TransparencyError:
    """The error for a layer whose proof is not finite although its states are."""
    # attention skips a score that is NaN
    damaged = _damaged(model.model, trace.anatomy.blocks[layer].module)
    if damaged:
        return _unusable(model.name, damaged, f", in layer {layer}")
    # the norms of the proof are float32
    return overflow("float32", f"The norm of the parts of layer {layer} of {model.name}")


def _found(model: LoadedModel, trace: Trace) -> TransparencyError:
    place, part, states = next(step for step in _steps(model, trace) if not is_finite(step[2]))
    damaged = _damaged(model.model, part)
    if part is trace.anatomy.unembedding:
        place += _outputs(model, states)
    if damaged:
        return _unusable(model.name, damaged, f", in {place}")
    position = int((~states.isfinite()).flatten(1).any(dim=1).nonzero()[0])
    at = "" if len(states) < trace.n_tokens else f" at position {position}"
    return overflow(model.dtype, f"{place[:1].upper()}{place[1:]} of {model.name}", at)


def _unusable(name: str, damaged: str, place: str = "") -> TransparencyError:
    return TransparencyError(
        "modelUnusable",
        f"The weights of {name} hold numbers that are not finite: {damaged}{place}.",
        "Download or save the model again.",
    )


def _steps(model: LoadedModel, trace: Trace) -> Iterator[tuple[str, nn.Module, Float[Tensor, "position x"]]]:
    """In the order of the forward pass: name, the module whose weights are read, the output."""
    anatomy = trace.anatomy
    yield "the embedding", model.model.get_input_embeddings(), trace.layers[0].pre
    for index, (block, layer) in enumerate(zip(anatomy.blocks, trace.layers, strict=True)):
        if not anatomy.parallel and block.has_ffn:
            yield f"the attention of layer {index}", block.module, layer.mid
            yield f"the feed-forward block of layer {index}", block.module, layer.post
        else:
            yield f"layer {index}", block.module, layer.post
    with torch.no_grad():
        yield "the final norm", anatomy.final_norm, anatomy.final_norm(trace.layers[-1].post)
    yield "the unembedding", anatomy.unembedding, trace.logits


def _damaged(model: nn.Module, part: nn.Module) -> str:
    """The first parameter of `part` that is not finite, by its name in `model`; "" where all are finite."""
    own = {id(parameter) for parameter in part.parameters()}
    for name, parameter in model.named_parameters():
        readable = id(parameter) in own and parameter.is_floating_point() and parameter.device.type != "meta"
        if readable and not is_finite(parameter.detach()):
            return name
    return ""


def _outputs(model: LoadedModel, logits: Float[Tensor, "position output"]) -> str:
    """The outputs that are not finite, unless none is."""
    found = (~logits.isfinite()).any(dim=0).nonzero().flatten().tolist()
    if len(found) == logits.shape[-1]:
        return ""
    more = f" and {len(found) - 1} more" if len(found) > 1 else ""
    return f" (output {found[0]}, {quoted(model.output_text(found[0]))}{more})"
