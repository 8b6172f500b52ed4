"""Writes `tests/vectors/panel/*.json`: what panel and window must show of the embedded model.

.venv/bin/python tests/python/support/make_panel_vectors.py [NAME…]
"""

from __future__ import annotations

import json
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from transformers import AutoModelForCausalLM

from panel_truth import Model, Recorded, chat, facts, lens, prompt
from prompts import IOI, ROOT, WAR
from weights import save_as

FOLDER = ROOT / "tests" / "vectors" / "panel"

CAPITAL = "The capital of France is"
#: The edge that moves the name to the last token of ioi.prompt, and a block and nodes above it.
PLACES = ("attention:I22_1>A23_13", "M25_13", "I25_13", "A23_13")
#: Each asked of the model by a test of prompt files.
TEXTS = {
    "story": IOI,
    "capital": CAPITAL,
    "record": "Question number 19999: what comes after the number 19999 when one counts slowly upwards, by one?",
    "quoted": 'The capital of "France" is',
}
#: The prompts of a list, and the one that is added to it.
LISTED = (CAPITAL, "5 + 4 = 9, 2 + 3 =", WAR, IOI)
MESSAGES = [
    {"role": "user", "content": "What is the capital of France?"},
    {"role": "assistant", "content": CAPITAL},
]
#: 200 characters that are typed behind ioi.prompt.
TYPED = (
    ", and the box to John. Then Mary took the box back, and gave it to the man who had asked for it. The man said "
    "that he was happy with the box, and that he would give the drink to Mary when John had gone"
)
#: About 130 tokens.
LONG = " ".join(
    [
        *(
            f"When Mary and John went to the store in {year}, John gave a drink to Mary, "
            "who walked home along the river."
            for year in (1732, 1848, 1914, 1999)
        ),
        "Then they counted the boats, talked about the war, and John gave a boat to",
    ]
)


def inspectors(model: Model) -> dict[str, Any]:
    recorded = Recorded(model, IOI)
    return {"tokens": recorded.tokens, **{place: recorded.at(place) for place in PLACES}}


def routes(model: Model) -> dict[str, Any]:
    """Every kept edge of ioi.prompt, and the number of edges of the other prompts, which are long."""
    counted = {"typed": Recorded(model, IOI + TYPED).routes(), "long": Recorded(model, LONG).routes()}
    return {
        "ioi": Recorded(model, IOI).routes(0.04),
        **{name: {key: value for key, value in of.items() if key != "edges"} for name, of in counted.items()},
    }


def models(model: Model) -> dict[str, Any]:
    """Facts by precision, the answers of each to the listed prompts, and those of the first three layers alone."""
    folder = model.model.name_or_path
    half = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.bfloat16).eval()
    with tempfile.TemporaryDirectory() as place:
        few = save_as(Path(folder), Path(place) / "few", torch.float32, n_layers=3)
        first_layers = AutoModelForCausalLM.from_pretrained(few, dtype=torch.float32).eval()

    def said(of: Any, text: str) -> dict[str, Any]:
        ids = model.ids(text)
        with torch.no_grad():
            logits = of(torch.tensor([ids])).logits[0, -1].float()
        best = model.best(logits, 1)[0]
        return {"text": text, "tokens": model.tokens(ids), "next": {**best, "logit": float(logits.max())}}

    by_name = {"float32": model.model, "bfloat16": half}
    return {
        "facts": {name: facts(of) for name, of in by_name.items()},
        "said": [{name: said(of, text) for name, of in by_name.items()} for text in LISTED],
        "firstLayersSaid": said(first_layers, LISTED[0]),
    }


VECTORS: dict[str, Callable[[Model], dict[str, Any]]] = {
    "chat": lambda model: chat(model, MESSAGES),
    "inspectors": inspectors,
    "lens": lambda model: lens(model, IOI),
    "models": models,
    "prompts": lambda model: {name: prompt(model, text) for name, text in TEXTS.items()},
    "routes": routes,
}


def to_text(vector: dict[str, Any]) -> str:
    """JSON with floats of seven significant digits; more would be float32 noise."""
    return json.dumps(_plain(vector), ensure_ascii=False, separators=(",", ":")) + "\n"


def _plain(value: Any) -> Any:
    if isinstance(value, np.ndarray | np.generic):
        return _plain(value.tolist())
    if isinstance(value, dict):
        return {name: _plain(item) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return float(f"{value:.7g}") if isinstance(value, float) else value


def main() -> None:
    # the folder is the product's to know
    from lm_transparency.model.embedded import model_directory

    model = Model(str(model_directory()))
    FOLDER.mkdir(parents=True, exist_ok=True)
    for name in sys.argv[1:] or VECTORS:
        text = to_text(VECTORS[name](model))
        (FOLDER / f"{name}.json").write_text(text, "utf-8")
        print(f"{name}.json: {len(text)} bytes")


if __name__ == "__main__":
    main()
