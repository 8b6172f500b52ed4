"""What an analysis is compared with: the definition materialised, and patching every head at every position."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import torch

    from ..model.loading import LoadedModel
    from ..trace.trace import Trace

#: Heads and positions that are patched and timed; the rest is their mean times their number.
PATCHED = 8
#: Parts of one layer that may be materialised at once, in bytes.
_ROOM = 2 * 1024**3


def naive_seconds(trace: Trace) -> float | None:
    """Seconds for every α · v · W_O of every layer as a tensor, and its proximity (method.md, section 1).

    None where the parts of one layer do not fit into memory at once.
    """
    n, heads, d_model = trace.n_tokens, trace.n_heads, trace.anatomy.d_model
    # the parts, and what is left of the whole without each of them
    if 2 * 4 * n * n * heads * d_model > _ROOM:
        return None
    started = time.perf_counter()
    for layer, block in zip(trace.layers, trace.anatomy.blocks, strict=True):
        outputs = layer.attention.values() @ block.w_o(heads)
        parts = layer.weights()[..., None] * outputs[:, None]
        whole = layer.mid.float()[None, :, None]
        near = (whole.abs().sum(dim=-1) - (whole - parts).abs().sum(dim=-1)).clamp_min(0)
        _ = near / near.sum(dim=(0, 2), keepdim=True).clamp_min(1e-12)
    return time.perf_counter() - started


def patching_seconds(model: LoadedModel, tokens: torch.Tensor) -> float:
    """Seconds to zero every head of every layer at every position, one forward pass each: timed on a sample and
    multiplied by their number.
    """
    import torch

    anatomy, n_tokens = model.anatomy, len(tokens)
    times: list[float] = []
    for i in range(PATCHED):
        layer, head, position = i * anatomy.n_layers // PATCHED, i % anatomy.n_heads, i * n_tokens // PATCHED

        def zero(_module: Any, inputs: tuple[torch.Tensor, ...], head: int = head, position: int = position) -> Any:
            given = inputs[0].clone()
            given.unflatten(-1, (anatomy.n_heads, -1))[:, position, head] = 0
            return (given, *inputs[1:])

        handle = anatomy.blocks[layer].output_projection.register_forward_pre_hook(zero)
        try:
            started = time.perf_counter()
            with torch.no_grad():
                model.model(input_ids=tokens[None].to(model.input_device), use_cache=False)
            times.append(time.perf_counter() - started)
        finally:
            handle.remove()
    return sum(times) / len(times) * anatomy.n_layers * anatomy.n_heads * n_tokens


@dataclass
class Peak:
    """The largest resident memory that was seen, in bytes above that at the beginning."""

    extra: int = 0


@contextmanager
def peak_memory() -> Generator[Peak]:
    """Samples this process's resident memory every few milliseconds."""
    import psutil

    process, found, done = psutil.Process(), Peak(), threading.Event()
    before = process.memory_info().rss

    def sample() -> None:
        while not done.wait(0.004):
            found.extra = max(found.extra, process.memory_info().rss - before)

    thread = threading.Thread(target=sample, daemon=True)
    thread.start()
    try:
        yield found
    finally:
        done.set()
        thread.join()


def extra_peak(plain: Callable[[], object], whole: Callable[[], object]) -> int:
    """How much more memory `whole` takes at its height than `plain`, in bytes."""
    with peak_memory() as of_plain:
        plain()
    with peak_memory() as of_whole:
        whole()
    return of_whole.extra - of_plain.extra
