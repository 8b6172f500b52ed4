"""Random prompt files, data sets and run files are read, or refused with a sentence."""

from __future__ import annotations

import json

import hypothesis.strategies as st
from fuzzing import damaged, pieced, tried

from lm_transparency.errors import TransparencyError
from lm_transparency.exports.run import read_run
from lm_transparency.prompts.documents import CHAT, JSONL, PROMPT, Document

_FRONT = pieced(
    "---\n", "model:", " target: ", "contrast", ": ", "threshold: 0.04\n", "renormalize: yes", "\n", "  ", "\t", "'",
    '"', "|", ">", "- ", "[", "]", "{", "}", ",", "#", "&a", "*a", "!!python/object:os.system", "<<: *a", "%YAML 1.2\n",
    "chat:\n", "  - role: user\n", "    content: |\n      hi\n", "\\x41", "\\u12", "\\", "1e999", "0x", "2026-11-29",
    "9" * 5000, ".nan", "~", "\ufeff", "\u2028", "\x85", "\r\n", "\r", "\0", "<|user|>", "?", "? [", ":" * 40,
)  # fmt: skip

_LINE = pieced(
    "{", "}", "[", "]", ",", ":", '"prompt"', '"prompt":', '"id":', '"role":', '"content":', '"user"', '"a"', "1",
    "9" * 5000, "-", "1e999", "NaN", "Infinity", "null", "true", '"\\ud800"', '"\\ud83d\\ude00"', '"\\u12', "\\",
    "[" * 3000, '{"prompt":' * 600, "\n", "\r\n", " ", "\t", "\ufeff", "\u2028", '"', "''", "//",
)  # fmt: skip

_RUN = {
    "lm_transparency_run": 1,
    "created": "2026-11-29T00:00:00Z",
    "from": None,
    "prompt": ["The capital of France is"],
    "asked": {"model": "m", "dtype": "auto", "special_tokens": "auto", "chat": False, "top_k": 10},
    "model": {"name": "m"},
    "target": {"position": 4, "text": " is"},
    "threshold": 0.04,
    "renormalize": True,
    "tokens": [{"id": 1, "text": "The"}],
    "predictions": [{"id": 1, "text": "a", "probability": 0.5, "logit": 1.0}],
    "edges": [{"source": "X0_0", "target": "A1_0", "kind": "residual", "weight": 0.5, "flow": 0.5}],
    "notices": [],
}


def _read_document(text: str, language: str) -> bool:
    document = Document(text, language)
    _ = document.settings, document.front_problems
    problems = list(document.problems_of(document.stretches))
    accepted = not problems
    for stretch in [*document.stretches, document.at(len(text) // 2)]:
        document.preview(stretch)
        try:
            document.prompt(stretch)
        except TransparencyError:
            accepted = False
    return accepted


def test_front_matter() -> None:
    # in front of a prompt more often than not, so that it is read as front matter
    framed = st.one_of(_FRONT, _FRONT.map(lambda inside: f"---\n{inside}\n---\nThe capital of France is"))
    languages = st.sampled_from([PROMPT, CHAT])
    tried("front matter", st.tuples(framed, languages), lambda given: _read_document(*given))


def test_lines_of_a_data_set() -> None:
    whole = json.dumps({"id": "a", "prompt": [{"role": "user", "content": "Hi \ud83d\ude00"}]}).encode()
    broken = damaged(whole).map(lambda data: data.decode("utf-8", "replace"))
    tried("JSONL", st.one_of(_LINE, broken), lambda text: _read_document(text, JSONL))


def test_run_files() -> None:
    values = st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
        lambda inside: st.lists(inside, max_size=3) | st.dictionaries(st.sampled_from([*_RUN, "id", "weight"]), inside),
        max_leaves=6,
    )
    swapped = st.dictionaries(st.sampled_from(list(_RUN)), values, max_size=3).map(lambda new: json.dumps(_RUN | new))
    text = json.dumps(_RUN)
    broken = damaged(text.encode()).map(lambda data: data.decode("utf-8", "replace"))
    pieces = pieced('{"lm_transparency_run":1', ",", '"prompt":', "[", "]", "{", "}", "9" * 5000, "NaN", "[" * 3000)
    tried("run files", st.one_of(swapped, broken, pieces), lambda text: read_run(text, "a.run.json") and None)
