"""`lm-transparency models`: what can be loaded without a download; `--prepare` makes the embedded model ready."""

from __future__ import annotations

import argparse
from typing import Any

from .options import terminal_watch


def add_parser(commands: Any) -> None:
    parser = commands.add_parser("models", help="list the models that are here")
    parser.add_argument("--prepare", action="store_true", help="fetch, verify and convert the embedded model")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> int:
    from ..model import embedded, sources

    if arguments.prepare:
        print(embedded.ensure(terminal_watch()))
        return 0
    for model in sources.listed():
        size = f"{model.size_bytes / 1e9:.2f} GB" if model.size_bytes else "not fetched yet"
        print(f"{model.name:48} {model.kind:9} {size}")
    return 0
