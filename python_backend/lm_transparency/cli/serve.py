"""`lm-transparency serve`: the language server over stdio."""

from __future__ import annotations

import argparse
from typing import Any


def add_parser(commands: Any) -> None:
    parser = commands.add_parser("serve", help="the language server, over stdin and stdout")
    parser.set_defaults(run=run)


def run(_arguments: argparse.Namespace) -> int:
    from ..server.stdio import serve

    return serve() or 0
