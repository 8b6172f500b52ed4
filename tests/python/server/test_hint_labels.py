"""A model's short name in the editor is cut between its words, is plain text, and is the one that VS Code shows."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from lm_transparency.printable import terminal
from lm_transparency.wording import short_model

VECTORS = Path(__file__).parents[2] / "vectors" / "names" / "models.json"


@pytest.mark.parametrize(("name", "shown"), json.loads(VECTORS.read_text("utf-8")))
def test_a_models_name_is_cut_between_its_words(name: str, shown: str) -> None:
    assert short_model(name) == shown


def test_a_label_is_plain_text_whatever_the_models_name() -> None:
    assert short_model(terminal("a\x1b[31m")) == "a␛[31m"
