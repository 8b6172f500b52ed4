"""One self-contained HTML page: the panel with a recorded analysis inside. It needs no network and no VS Code."""

from __future__ import annotations

import base64
import re
from pathlib import Path
from typing import Any

from ..errors import TransparencyError
from ..printable import json_text, xml
from ..protocol.effects import EffectsResult
from ..protocol.wire import to_wire

_TEMPLATE = Path(__file__).with_name("page.html")


def as_page(
    title: str,
    run_id: str,
    payload: bytes,
    view: dict[str, Any],
    *,
    effects: EffectsResult | None = None,
    answers: str | None = None,
    notebook: dict[str, str] | None = None,
) -> str:
    """The page that shows `payload` (bytes from `exports.payload.encode_payload`) in the state `view`.

    `effects`: those that are known, of one position. `answers`: `RecordResult.answers`, for what is opened in it.
    `notebook`: the facts that `notebook.output` passes to the page about its notebook.

    Raises `TransparencyError("dependencyMissing")` where the package was built without the page.
    """
    if not _TEMPLATE.is_file():
        raise TransparencyError(
            "dependencyMissing",
            "This installation of lm-transparency comes without the page.",
            "Install it from the VSIX's wheel, or run `make build` in the repository.",
        )
    content: dict[str, Any] = {
        "title": title,
        "runId": run_id,
        "payload": base64.b64encode(payload).decode("ascii"),
        "view": view,
    }
    if effects is not None:
        content["effects"] = to_wire(effects)
    if answers is not None:
        content["answers"] = answers
    if notebook is not None:
        content["notebook"] = notebook
    # a script element ends at the first `</`, even inside JSON
    document = json_text(content).replace("<", "\\u003c")
    parts = {"__LM_TRANSPARENCY_TITLE__": xml(title), "__LM_TRANSPARENCY_PAGE__": document}
    # in one pass: inserted text may itself look like a placeholder
    return re.sub("|".join(parts), lambda found: parts[found[0]], _TEMPLATE.read_text("utf-8"))
