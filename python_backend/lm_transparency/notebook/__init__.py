"""Notebooks: an analysis drawn in a cell's output by the panel's own bundle; the kernel answers its questions."""

from __future__ import annotations

from .cell import show

__all__ = ["show"]
