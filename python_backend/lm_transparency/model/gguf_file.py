"""GGUF files, parsed once per load instead of once each for sizes, configuration, weights and tokenizer."""

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
    """A reader with a plain array over the mapped file.

    The package's reader takes a slice for every token of the vocabulary, which takes far less time on a plain array
    than on `np.memmap`.
    """

    @property
    def data(self) -> np.ndarray:  # pyright: ignore[reportIncompatibleVariableOverride]
        return self._plain

    @data.setter
    def data(self, mapped: np.ndarray) -> None:  # pyright: ignore[reportIncompatibleVariableOverride]
        self._plain = np.asarray(mapped)


@contextmanager
def read_once() -> Generator[None]:
    """Give every request to the package `gguf` for a reader of the file read last the same reader.

    transformers asks for one three times to load a model and its tokenizer. One thread at a time.
    """
    with _alone:
        before, gguf.GGUFReader = gguf.GGUFReader, lru_cache(maxsize=1)(_Reader)
        try:
            yield
        finally:
            gguf.GGUFReader = before


def clear_quantisation_marks(model: PreTrainedModel) -> None:
    """Remove the marks of quantisation: transformers keeps them on a dequantised GGUF model, and then refuses to
    save or cast it.
    """
    for mark in ("hf_quantizer", "is_quantized", "quantization_method", "dequantize"):
        model.__dict__.pop(mark, None)
    for mark in ("quantization_config", "_is_quantized"):
        if hasattr(model.config, mark):
            delattr(model.config, mark)
