"""A copy of a tiny model that tests may break."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest


@pytest.fixture
def copy(tmp_path: Path, tiny_llama_folder: Path) -> Path:
    return shutil.copytree(tiny_llama_folder, tmp_path / "copy")
