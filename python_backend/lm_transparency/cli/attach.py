"""`lm-transparency attach`: the language server that several windows share, over stdin and stdout."""

from __future__ import annotations

import argparse
import sys
from typing import Any

from ..errors import TransparencyError
from .options import add_low_priority, add_trace_memory, trace_memory


def add_parser(commands: Any) -> None:
    parser = commands.add_parser(
        "attach", help="join the server that your windows share, or start it; it outlives the connection"
    )
    parser.add_argument("--serve", action="store_true", help="be that server, in the foreground (in a batch job, say)")
    parser.add_argument("--grace", type=float, metavar="S", help="seconds to stay after the last client (default 30)")
    add_trace_memory(parser)
    add_low_priority(parser)
    parser.set_defaults(run=run, speaks_protocol=True)


def run(arguments: argparse.Namespace) -> int:
    """The exit code of `server.attach.attach`."""
    if sys.platform == "win32":
        raise TransparencyError("invalidParams", "There are no shared servers on Windows.", "Use `serve` instead.")
    from ..server.attach import attach
    from ..server.shared import main

    options = [] if arguments.grace is None else ["--grace", str(arguments.grace)]
    options += ["--trace-memory", str(trace_memory(arguments))]
    options += ["--low-priority"] if arguments.low_priority else []
    if arguments.serve:
        main(options)
    return attach(options)
