"""GGUF files: read once a load, and not once for each of sizes, configuration, weights and tokenizer."""

from __future__ import annotations

import threading
from collections.abc import Generator
from contextlib import contextmanager
from functools import lru_cache

import gguf
import numpy as np
from transformers import PreTrainedModel

_alone = threading.Lock()


class _Reader(gguf.GGUFReader):
    """The package's reader takes a slice for every token of the vocabulary: of a plain array, which is what this makes
    of the mapped file, in a fraction of the time that slices of `np.memmap` take.
    """

    @property
    def data(self) -> np.ndarray:  # pyright: ignore[reportIncompatibleVariableOverride]
        return self._plain

    @data.setter
    def data(self, mapped: np.ndarray) -> None:  # pyright: ignore[reportIncompatibleVariableOverride]
        self._plain = np.asarray(mapped)


@contextmanager
def read_once() -> Generator[None]:
    """Inside, whoever asks the package `gguf` for a reader of the file that was read last gets the same one.

    transformers asks for one three times to load a model and its tokenizer. One thread at a time.
    """
    with _alone:
        before, gguf.GGUFReader = gguf.GGUFReader, lru_cache(maxsize=1)(_Reader)
        try:
            yield
        finally:
            gguf.GGUFReader = before


def clear_quantisation_marks(model: PreTrainedModel) -> None:
    """transformers keeps calling a dequantised GGUF model quantised, and then refuses to save or cast it."""
    for mark in ("hf_quantizer", "is_quantized", "quantization_method", "dequantize"):
        model.__dict__.pop(mark, None)
    for mark in ("quantization_config", "_is_quantized"):
        if hasattr(model.config, mark):
            delattr(model.config, mark)
