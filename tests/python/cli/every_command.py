"""Every command in each of its formats, with a tiny model."""

from __future__ import annotations

import json
from pathlib import Path

from lm_transparency.cli import main

FORMATS = ("text", "json", "csv", "svg", "html", "run", "jsonl")
COMMANDS = ("analyze", "effects", "inspect", "lens", "models", "doctor", "bench", "serve", "attach")
WORDS = (
    "",
    "analyze ",
    "effects ",
    "inspect ",
    "inspect node ",
    "lens ",
    "models ",
    "doctor ",
    "bench ",
    "serve ",
    "attach ",
)


def every_command(folder: Path, model: Path, prompt: str) -> dict[str, tuple[str, ...]]:
    """Arguments by name; a name ends in the format of the output. The files they name are put in `folder`."""
    file, lines, kept = folder / "one.prompt", folder / "many.jsonl", folder / "kept.run.json"
    file.write_text(prompt, "utf-8")
    lines.write_text(json.dumps({"prompt": prompt, "id": prompt}) + "\n")
    by = ("--model", str(model))
    assert main(["analyze", str(file), *by, "--format", "run", "-o", str(kept)]) == 0
    found = {f"analyze {form}": ("analyze", str(file), *by, "--format", form) for form in FORMATS}
    found |= {
        "analyze lines jsonl": ("analyze", str(lines), *by),
        "analyze proof text": ("analyze", str(file), *by, "--proof", "--threshold", "auto"),
        "analyze estimate text": ("analyze", str(file), *by, "--estimate"),
        "analyze replay text": ("analyze", "--replay", str(kept), *by),
    }
    kinds = {"node": "I1_1", "edge": "I1_1>A2_2", "head": "1.1", "ffn": "M1_1", "neuron": "M1_1#3"}
    bench = ("--tokens", "4", "--repeats", "1", "--clicks", "1", "--clicks-tokens", "4")
    # all kinds are written as JSON by the same function
    found |= {f"inspect {kind} text": ("inspect", kind, what, str(file), *by) for kind, what in kinds.items()}
    found["inspect head json"] = (*found["inspect head text"], "--format", "json")
    found["bench text"] = ("bench", *bench, *by)
    for form in ("text", "json"):
        found[f"effects {form}"] = ("effects", str(file), *by, "--measure", "2", "--top", "2", "--format", form)
        found[f"lens {form}"] = ("lens", str(file), *by, "--format", form)
        found[f"doctor {form}"] = ("doctor", "--text", prompt, *by, "--format", form, "--against-dtype", "bfloat16")
        found[f"models {form}"] = ("models", str(model.parent), "--format", form)
    return found | {f"{word}help text": (*word.split(), "--help") for word in WORDS} | {"version text": ("--version",)}
