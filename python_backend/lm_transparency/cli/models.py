"""`lm-transparency models`: models that load without a download; `--prepare` makes the embedded model ready."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..printable import json_text, terminal
from .options import output_path, terminal_watch
from .output import deliver

if TYPE_CHECKING:
    from ..model.listing import Listed

_SUPPORT = {"exact": "exact", "refused": "cannot be analyzed", "caught": "fails its proof", "unknown": "not known"}


def add_parser(commands: Any) -> None:
    parser = commands.add_parser("models", help="list the models that are here")
    parser.add_argument("folders", nargs="*", type=Path, metavar="FOLDER", help="folders to look into as well")
    parser.add_argument("--format", default="text", choices=("text", "json"))
    parser.add_argument("-o", "--output", type=output_path, metavar="F", help="write there instead of stdout")
    parser.add_argument("--prepare", action="store_true", help="fetch, verify and convert the embedded model")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    from ..model import embedded, listing

    if arguments.prepare:
        print(embedded.ensure(terminal_watch()))
        return 0
    found = listing.listed(arguments.folders)
    if arguments.format == "json":
        text = json_text([vars(model) for model in found], indent=1)
    else:
        rows = [("model", "kind", "size", "family", "routes"), *(tuple(map(terminal, _row(model))) for model in found)]
        widths = [max(len(row[column]) for row in rows) for column in range(4)]
        text = "\n".join(
            "  ".join([*(cell.ljust(width) for cell, width in zip(cells, widths, strict=True)), last])
            for *cells, last in rows
        )
    deliver(f"{text}\n", arguments.format, arguments.output)
    return 0


def _row(model: Listed) -> tuple[str, str, str, str, str]:
    size = f"{model.size_bytes / 1e9:.2f} GB" if model.size_bytes >= 1e9 else f"{model.size_bytes / 1e6:.0f} MB"
    of = f"as its base, {model.base or 'which it does not name'}"
    routes = of if model.kind == "adapter" else _SUPPORT[model.support]
    return model.source, model.kind, size if model.size_bytes else "not fetched yet", model.family or "?", routes
