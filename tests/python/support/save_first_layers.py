"""Saves the first three layers of a model as a separate model: `save_first_layers.py MODEL_FOLDER NEW_FOLDER`."""

from __future__ import annotations

import sys
from pathlib import Path

import torch

from weights import save_as

if __name__ == "__main__":
    base, folder = (Path(word) for word in sys.argv[1:3])
    draft = folder.with_suffix(".new")
    save_as(base, draft, torch.float32, n_layers=3)
    draft.rename(folder)
