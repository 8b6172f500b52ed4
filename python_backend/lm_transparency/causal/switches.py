"""The switches of a run: one per token, learned position and bias. Each is 1, and its gradient is a share."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import ExitStack, contextmanager
from functools import partial
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from transformers import PreTrainedModel

from ..model.anatomy import Anatomy
from .derivatives import Switched

#: The layer a bias stands in, −1 before the first and `n_layers` after the last, and the module that adds it.
Place = tuple[int, str]


class Switches:
    """What is switched: the embeddings of `token_ids`, and every constant that a state has added to it."""

    def __init__(self, anatomy: Anatomy, token_ids: Int[Tensor, "position"]) -> None:
        self._anatomy = anatomy
        self._ids = token_ids
        self.tokens = _switch(len(token_ids))
        self.positions = _switch(len(token_ids))
        self.biases: dict[Place, Float[Tensor, ""]] = {}
        self.has_positions = False
        self._layer = -1
        self._running: list[str] = []

    def embedded(self, vectors: Float[Tensor, "*run position d_model"], ids: Tensor, n_rows: int) -> Tensor:
        """Rows of a table of `n_rows`: with the tokens' switch, if they are the tokens' rows."""
        # positions may have the same values
        theirs = n_rows >= self._anatomy.n_vocab or _shares_memory(ids, self._ids)
        if vectors.requires_grad or not theirs or not torch.equal(ids.flatten(), self._ids.flatten().to(ids.device)):
            return vectors
        return Switched.apply(vectors, self.tokens)

    def bias(self, constant: Float[Tensor, "*shape"]) -> Tensor:
        """A constant that is added to a state: before the first layer, and one row per token, a position's."""
        if self._layer < 0 and constant.dim() > 1 and constant.shape[-2] == len(self._ids):
            self.has_positions = True
            return Switched.apply(constant, self.positions)
        place = self._layer, self._running[-1] if self._running else ""
        if place not in self.biases:
            self.biases[place] = _switch()
        return Switched.apply(constant, self.biases[place])

    @contextmanager
    def placed(self, model: PreTrainedModel) -> Generator[None]:
        """Know where in `model` a bias is added, and switch embeddings that no torch function looked up."""
        paths: dict[nn.Module, str] = {}
        for block in self._anatomy.blocks:
            for path, module in block.module.named_modules():
                paths.setdefault(module, path)
        for path, module in model.named_modules():
            paths.setdefault(module, path)
        with ExitStack() as stack:
            for layer, block in enumerate(self._anatomy.blocks):
                stack.callback(block.module.register_forward_pre_hook(partial(self._at, layer)).remove)
            for module, path in paths.items():
                stack.callback(module.register_forward_pre_hook(partial(self._enter, path)).remove)
                stack.callback(module.register_forward_hook(self._leave).remove)
            last = self._anatomy.blocks[-1].module
            stack.callback(last.register_forward_hook(partial(self._at, self._anatomy.n_layers)).remove)
            embedding: nn.Module = model.get_input_embeddings()
            stack.callback(embedding.register_forward_hook(self._looked_up).remove)
            yield

    def _at(self, layer: int, *_: Any) -> None:
        self._layer = layer

    def _enter(self, path: str, *_: Any) -> None:
        self._running.append(path)

    def _leave(self, *_: Any) -> None:
        self._running.pop()

    def _looked_up(self, _module: nn.Module, args: tuple[Any, ...], output: Any) -> Any:
        return self.embedded(output, args[0], self._anatomy.n_vocab) if args and isinstance(output, Tensor) else None


def _switch(*shape: int) -> Tensor:
    # many small shares are added up in it
    return torch.ones(shape, dtype=torch.float64, requires_grad=True)


def _shares_memory(one: Tensor, other: Tensor) -> bool:
    return one.untyped_storage().data_ptr() == other.untyped_storage().data_ptr()
