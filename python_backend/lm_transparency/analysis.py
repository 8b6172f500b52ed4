"""One prompt, analysed: tokens, trace, contributions, proof and predictions, and how long each took."""

from __future__ import annotations

import time
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

from .errors import TransparencyError, is_out_of_memory
from .lens.projection import Lens
from .model.chat import Chat, encode_chat
from .model.loading import LoadedModel
from .model.options import SpecialTokens
from .model.tokens import Token, encode
from .routes.contributions import FLOOR, Contributions, contributions
from .routes.graph import RouteGraph, auto_threshold, check_position, route_graph
from .trace.proof import Proof
from .trace.recording import record
from .trace.trace import Trace
from .watch import Watch


@dataclass(frozen=True)
class Predictions:
    """The most probable next tokens at every position; of a classifier the labels, if the text ended there.

    `probabilities`: see `Readout.probability`.
    """

    ids: Int[Tensor, "position k"]
    probabilities: Float[Tensor, "position k"]
    logits: Float[Tensor, "position k"]
    texts: tuple[tuple[str, ...], ...]


@dataclass(frozen=True)
class Analysis:
    """All that one forward pass over `prompt` says about every position. Seconds in `forward_s`, `contributions_s`."""

    prompt: str
    model: LoadedModel
    tokens: tuple[Token, ...]
    trace: Trace
    contributions: Contributions
    proof: Proof
    notices: tuple[str, ...]
    forward_s: float
    contributions_s: float

    @property
    def target(self) -> int:
        """The position that the model's answer comes from: a classifier's pooled one, else the last."""
        return self.trace.target

    def routes(
        self, position: int | None = None, threshold: float | None = 0.04, *, renormalize: bool = True
    ) -> RouteGraph:
        """The routes into `position` (negative from the end; None: the target); `threshold` None: chosen by itself.

        Raises `TransparencyError` as `route_graph` does.
        """
        n_tokens = len(self.tokens)
        asked = self.target if position is None else position
        at = asked + n_tokens if asked < 0 else asked
        if not 0 <= at < n_tokens:
            check_position(asked, n_tokens)
        if threshold is None:
            threshold = auto_threshold(self.contributions, at, renormalize=renormalize)
        return route_graph(self.contributions, at, threshold, renormalize=renormalize)

    def predictions(self, k: int) -> Predictions:
        """The `k` most probable next tokens (or labels) at every position, by the model's own logits."""
        logits = self.trace.logits.float()
        k = max(1, min(k, int(logits.shape[-1])))
        values, ids = logits.topk(k, dim=-1)
        total = logits.logsumexp(dim=-1, keepdim=True)
        probabilities = self.trace.anatomy.readout.probability(values, total)
        names = {i: self.model.output_text(i) for i in set(ids.flatten().tolist())}
        texts = tuple(tuple(names[i] for i in row) for row in ids.tolist())
        return Predictions(ids.cpu(), probabilities.cpu(), values.cpu(), texts)


def analyze(
    model: LoadedModel,
    prompt: str | Chat,
    *,
    special_tokens: SpecialTokens = "auto",
    floor: float = FLOOR,
    watch: Watch | None = None,
) -> Analysis:
    """Analyse `prompt` at every position with one forward pass.

    A `Chat` (`parse_chat`, `chat_of`) is written by the tokenizer's chat template, special tokens included:
    `special_tokens` has no say in it.

    Raises `TransparencyError` (`invalidPrompt`, `promptTooLong`, `modelUnsupported`, `outOfMemory`), and `Cancelled`
    within one layer's time of `watch.cancel()`.
    """
    watch = watch or Watch()
    tokens = tokens_of(model, prompt, special_tokens)
    started = time.perf_counter()
    with memory_told(model, len(tokens)):
        trace = record(model.model, model.anatomy, torch.tensor([t.id for t in tokens]), watch)
    return analysis_of(model, prompt, tokens, trace, time.perf_counter() - started, floor=floor, watch=watch)


def tokens_of(model: LoadedModel, prompt: str | Chat, special_tokens: SpecialTokens = "auto") -> list[Token]:
    """What the model reads of `prompt`. Raises `TransparencyError`: `invalidPrompt`, `promptTooLong`."""
    if isinstance(prompt, Chat):
        tokens = encode_chat(model.tokenizer, prompt)
    else:
        tokens = encode(model.tokenizer, prompt, special_tokens)
    check_length(model, len(tokens))
    return tokens


def analysis_of(
    model: LoadedModel,
    prompt: str | Chat,
    tokens: Sequence[Token],
    trace: Trace,
    forward_s: float,
    *,
    floor: float = FLOOR,
    watch: Watch,
) -> Analysis:
    """The analysis of a trace that took `forward_s`. Raises `TransparencyError` (`modelUnsupported`, `outOfMemory`)."""
    started = time.perf_counter()
    with memory_told(model, len(tokens)):
        if not bool(torch.isfinite(trace.layers[-1].post).all()):
            raise TransparencyError(
                "modelUnsupported",
                f"The residual stream overflows in {model.dtype}.",
                "Load the model in float32 or bfloat16.",
            )
        weights, proof = contributions(trace, watch, floor=floor)
    chat = prompt if isinstance(prompt, Chat) else None
    return Analysis(
        prompt.text if isinstance(prompt, Chat) else prompt,
        model,
        tuple(tokens),
        trace,
        weights,
        proof,
        (*_notices(tokens, proof, trace), *_changed(chat, tokens)),
        forward_s,
        time.perf_counter() - started,
    )


@contextmanager
def memory_told(model: LoadedModel, n_tokens: int) -> Generator[None]:
    """Raises `TransparencyError("outOfMemory")` where memory does not suffice for what is done inside."""
    try:
        yield
    except (MemoryError, RuntimeError) as error:
        if not is_out_of_memory(error):
            raise
        raise TransparencyError(
            "outOfMemory",
            f"{n_tokens} tokens do not fit into the memory of {model.device}.",
            "Shorten the prompt, or load the model in a smaller dtype; it is still loaded.",
        ) from error


def check_length(model: LoadedModel, n_tokens: int) -> None:
    """Raises `TransparencyError("promptTooLong")`."""
    limit = model.anatomy.n_context
    if 0 < limit < n_tokens:
        raise TransparencyError(
            "promptTooLong",
            f"The prompt has {n_tokens} tokens; {model.name} reads at most {limit}.",
            f"Shorten it by {n_tokens - limit} tokens.",
        )


def _notices(tokens: Sequence[Token], proof: Proof, trace: Trace) -> tuple[str, ...]:
    notices: list[str] = []
    if not proof.holds:
        notices.append(proof.sentence())
    logits = trace.logits[-1].float()
    # the routes do not need it, but every lens does: the last state reads as the model's own logits
    off = float((Lens(trace.anatomy).logits(trace.layers[-1].post[-1]).to(logits.device) - logits).abs().max())
    if not off <= proof.tolerance * max(1.0, float(logits.abs().max())):
        notices.append(
            f"The logit lens of the last state is off by {off:.1e} from the model's logits: the routes are not touched "
            "by this, but lens, promoted and suppressed tokens of this model cannot be trusted."
        )
    mixed = [i for i, block in enumerate(trace.anatomy.blocks) if block.mixer is not None]
    if mixed:
        notices.append(
            f"{_layers(mixed)} ({_names(trace, mixed)}): linear attention or a state-space mixer, one part per "
            "position. It carries information from earlier tokens that is not taken apart."
        )
    shared = [i for i, token in enumerate(tokens) if token.shared]
    if shared:
        notices.append(
            f"Tokens {', '.join(map(str, shared))} are pieces of characters that the tokenizer splits; "
            "they are shown as bytes."
        )
    return tuple(notices)


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


def _changed(chat: Chat | None, tokens: Sequence[Token]) -> list[str]:
    """A chat template may leave out or change what a message says."""
    lost = [
        f"{i} ({message.role})"
        for i, message in enumerate(chat.messages if chat else (), start=1)
        if message.content.strip()
        and not any(t.start < message.start + len(message.content) and t.end > message.start for t in tokens)
    ]
    if not lost:
        return []
    return [f"The chat template changed or left out message {', '.join(lost)}: its tokens are shown as the template's."]
