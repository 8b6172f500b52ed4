"""An index of weights that names none is refused as an index."""

from __future__ import annotations

from pathlib import Path

import pytest

from lm_transparency.errors import TransparencyError
from lm_transparency.model.weights import weight_files


@pytest.mark.parametrize("index", ['{"weight_map": {}}', "{}", '{"weight_map": []}', "[]"])
def test_an_index_without_weights_is_refused(index: str, tmp_path: Path) -> None:
    (tmp_path / "model.safetensors.index.json").write_text(index)
    with pytest.raises(TransparencyError, match="is not an index of weights"):
        weight_files(tmp_path)
