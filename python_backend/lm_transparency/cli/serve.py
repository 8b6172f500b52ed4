"""`lm-transparency serve`: the language server over stdio."""

from __future__ import annotations

import argparse
from typing import Any

from .options import add_low_priority, add_trace_memory, trace_memory


def add_parser(commands: Any) -> None:
    parser = commands.add_parser("serve", help="the language server, over stdin and stdout")
    add_trace_memory(parser)
    add_low_priority(parser)
    parser.set_defaults(run=run, speaks_protocol=True)


def run(arguments: argparse.Namespace) -> int:
    from ..server.compute.priority import work_beside_editor
    from ..server.stdio import serve

    if arguments.low_priority:
        work_beside_editor()
    return serve(trace_budget=trace_memory(arguments) * 1_000_000) or 0
