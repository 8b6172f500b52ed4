"""Changes that turn a copy of a tiny model into a broken or hostile one."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any


def change_json(file: Path, change: Callable[[dict[str, Any]], Any]) -> None:
    """Rewrite a JSON file after `change`, which modifies its content in place or returns a new one."""
    content = json.loads(file.read_text("utf-8"))
    made = change(content)
    file.write_text(json.dumps(content if made is None else made), "utf-8")


def change_config(folder: Path, **changes: Any) -> None:
    change_json(folder / "config.json", lambda config: config.update(changes))


def change_tokenizer(folder: Path, **changes: Any) -> None:
    change_json(folder / "tokenizer.json", lambda tokenizer: tokenizer.update(changes))


def add_token(folder: Path, content: str, token_id: int) -> None:
    def add(tokenizer: dict[str, Any]) -> None:
        tokenizer["added_tokens"].append({**tokenizer["added_tokens"][0], "id": token_id, "content": content})

    change_json(folder / "tokenizer.json", add)


def split_by(pattern: str) -> dict[str, Any]:
    """A pre-tokenizer that cuts where a regular expression matches."""
    return {"type": "Split", "pattern": {"Regex": pattern}, "behavior": "Isolated", "invert": False}


#: Oniguruma gives up on it after ten million steps, and the Rust code around it panics.
PANICS = "(a+)+b"
