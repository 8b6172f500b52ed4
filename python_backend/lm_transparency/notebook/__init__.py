"""Notebooks: an analysis drawn in a cell's output, by the panel's own bundle; the kernel answers what is clicked."""

from __future__ import annotations

from .cell import show

__all__ = ["show"]
