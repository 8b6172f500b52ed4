"""Notices about an analysis: figures that cannot be trusted, and tokens shown differently."""

from __future__ import annotations

import math
from collections.abc import Sequence

from ..lens.projection import Lens
from ..model.chat import Chat
from ..model.tokens import Token
from ..model.vocabulary import shows_bytes
from ..printable import sentence
from ..trace.proof import Proof
from ..trace.trace import Trace
from ..wording import listed, quoted


def notices(
    tokens: Sequence[Token], proof: Proof, trace: Trace, chat: Chat | None, beginning: int | None
) -> tuple[str, ...]:
    """`beginning`: the id of the tokenizer's beginning-of-sequence token, None where it has none."""
    found: list[str] = []
    if not proof.holds:
        found.append(proof.sentence())
    # the routes do not need it, but every lens does: the lens of the last state gives the model's own logits
    off, allowed = (0.0, 0.0) if trace.unread is not None else _lens_error(trace, proof.tolerance)
    if not off <= allowed:
        by = f"off by {off:.1e} from the model's logits" if math.isfinite(off) else "not finite"
        found.append(
            f"The logit lens of the last state is {by}: the routes are unaffected, but lens, promoted and "
            "suppressed tokens of this model cannot be trusted."
        )
    mixed = [i for i, block in enumerate(trace.anatomy.blocks) if block.mixer is not None]
    if mixed:
        found.append(
            f"{_layers(mixed)} ({_names(trace, mixed)}): linear attention or a state-space mixer, one part per "
            "position. It carries information from earlier tokens that is not taken apart."
        )
    shared = [(i, shows_bytes(token.text)) for i, token in enumerate(tokens) if token.shared]
    if pieces := [i for i, as_bytes in shared if as_bytes]:
        found.append(
            f"Tokens {listed(pieces)} are pieces of characters that the tokenizer splits; they are shown as bytes."
        )
    if rewritten := [i for i, as_bytes in shared if not as_bytes]:
        found.append(
            f"Tokens {listed(rewritten)} stand for characters that the tokenizer rewrites into several; they are shown "
            "as the vocabulary has them."
        )
    begun = next((i for i, token in enumerate(tokens) if token.id != beginning), len(tokens))
    if begun > 1:
        found.append(
            f"The prompt begins with {begun} beginning-of-sequence tokens ({quoted(tokens[0].text)}): the tokenizer or "
            "the chat template puts one there, and the text or the template has another. Models have not seen that "
            "in training: leave it out of the text, or choose the special tokens `none`."
        )
    found += _changed_messages(chat, tokens)
    # made safe to show, whatever they quote
    return tuple(map(sentence, found))


def _lens_error(trace: Trace, tolerance: float) -> tuple[float, float]:
    """How far the logit lens of the last state is from the model's logits, and how far it may be."""
    logits = trace.logits[-1].float()
    off = (Lens(trace.anatomy).logits(trace.layers[-1].post[-1]).to(logits.device) - logits).abs().max()
    return float(off), tolerance * max(1.0, float(logits.abs().max()))


def _layers(layers: list[int]) -> str:
    """`Layers 0–2, 4–6`: runs of layers as ranges."""
    runs: list[list[int]] = []
    for layer in layers:
        if runs and runs[-1][-1] == layer - 1:
            runs[-1][-1] = layer
        else:
            runs.append([layer, layer])
    text = ", ".join(str(first) if first == last else f"{first}–{last}" for first, last in runs)
    return f"Layers {text}" if len(layers) > 1 else f"Layer {text}"


def _names(trace: Trace, layers: list[int]) -> str:
    mixers = (trace.anatomy.blocks[layer].mixer for layer in layers)
    return ", ".join(sorted({type(mixer.module).__name__ for mixer in mixers if mixer is not None}))


def _changed_messages(chat: Chat | None, tokens: Sequence[Token]) -> list[str]:
    """A chat template may leave out or change a message."""
    lost = [
        f"{i} ({message.role})"
        for i, message in enumerate(chat.messages if chat else (), start=1)
        if message.content.strip()
        and not any(t.start < message.start + len(message.content) and t.end > message.start for t in tokens)
    ]
    if not lost:
        return []
    return [f"The chat template changed or left out message {listed(lost)}: its tokens are shown as the template's."]
