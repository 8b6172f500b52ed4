"""A line with very many JSON values is refused before it is read."""

from __future__ import annotations

import pytest

from lm_transparency.prompts import jsonl
from lm_transparency.prompts.documents import JSONL, Document
from lm_transparency.prompts.jsonl import BadLine, read_object


@pytest.mark.parametrize("values", ["[]," * 5000 + "1", '{"a": 1},' * 5000 + "1", "1," * 5000 + "1"])
def test_a_line_with_too_many_values_is_refused(values: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jsonl, "MOST_VALUES", 5000)
    line = f'{{"prompt": "a", "more": [{values}]}}'
    with pytest.raises(BadLine, match="has more than 5,000 values"):
        read_object(line)
    document = Document(line, JSONL)
    assert [found.message for found in document.problems_of(document.stretches)] == [
        "The line has more than 5,000 values."
    ]
    assert document.preview(document.stretches[0])


@pytest.mark.parametrize("text", ["[{," * 5000, '\\"[' * 5000, "\\\\,,,," * 5000])
def test_the_text_of_a_prompt_counts_as_one_value(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jsonl, "MOST_VALUES", 5000)
    assert read_object(f'{{"prompt": "{text}", "b": []}}')["b"] == []
    with pytest.raises(BadLine, match="is not JSON"):
        read_object(f'{{"prompt": "{text}')
