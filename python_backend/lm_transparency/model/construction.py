"""Building a model's modules: cancellable at any of them, and stopped where they exceed what its files can hold."""

from __future__ import annotations

import threading
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch.nn.modules import module as hooks

from ..errors import TransparencyError
from ..watch import Watch
from .headers import Tensor, numbers_in

#: Numbers that a model may hold besides twice those of its files: tied weights, tables of positions, masks.
_SPARE = 1 << 28
#: Modules and tensors besides those of its files: activations, dropouts, lists; and for each tensor of the files.
_SPARE_MODULES, _FOR_EACH = 50_000, 50


@dataclass(frozen=True)
class Held:
    """The number of tensors in files, and of numbers in them, packed ones counted by the bit; zeros where unknown."""

    n_tensors: int = 0
    n_numbers: int = 0

    @classmethod
    def by(cls, tensors: Sequence[Tensor]) -> Held:
        return cls(len(tensors), numbers_in(tensors))


@contextmanager
def building(name: str, held: Held, watch: Watch) -> Generator[None]:
    """Allow this thread to build modules that `held` can fill.

    Raises `TransparencyError("modelUnusable")` for more, and `Cancelled` once `watch` is cancelled.
    """
    me = threading.get_ident()
    most_numbers = 2 * held.n_numbers + _SPARE if held.n_numbers else 1 << 62
    most_modules = _FOR_EACH * held.n_tensors + _SPARE_MODULES if held.n_tensors else 1 << 24
    n_modules = n_numbers = 0
    seen: set[tuple[int, str]] = set()

    def count(parent: Any, name_in_it: str, made: Any) -> None:
        nonlocal n_modules, n_numbers
        # loading puts a weight where an empty one was
        if threading.get_ident() != me or (id(parent), name_in_it) in seen:
            return
        seen.add((id(parent), name_in_it))
        n_modules += 1
        n_numbers += made.numel() if isinstance(made, torch.Tensor) else 0
        if not n_modules % 256:
            watch.check()
        if n_modules > most_modules or n_numbers > most_numbers:
            raise TransparencyError(
                "modelUnusable",
                f"The configuration of {name} asks for more than its files hold: over {n_modules:,} parts with "
                f"{n_numbers:,} numbers, where the weights have {held.n_numbers:,}.",
                "Download or save the model again: config.json and weights do not belong together.",
            )

    registered = [
        register(count)
        for register in (
            hooks.register_module_module_registration_hook,
            hooks.register_module_parameter_registration_hook,
            hooks.register_module_buffer_registration_hook,
        )
    ]
    try:
        yield
    finally:
        for handle in registered:
            handle.remove()
