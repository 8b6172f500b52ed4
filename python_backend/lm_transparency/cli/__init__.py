"""`lm-transparency`: the command line. One module per command; torch is imported only when needed."""

from __future__ import annotations

import argparse
import os
from collections.abc import Sequence
from typing import Any, NoReturn

from ..errors import TransparencyError
from ..files.inputs import forget_inputs
from ..server.compute.priority import wait_asleep
from ..streams import Streams, standard_streams, stdout
from ..version import __version__
from . import analyze, attach, bench, doctor, effects, inspect, lens, models, serve
from .ending import ended


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and return the exit code (`ending`). Any failure is reported in one sentence."""
    with standard_streams() as streams:
        try:
            code = _run(argv, streams)
            # undelivered output is a failure
            streams.settle()
        except BaseException as error:
            code = ended(error)
        finally:
            forget_inputs()
    return code


def _run(argv: Sequence[str] | None, streams: Streams) -> int:
    try:
        arguments = _parser().parse_args(argv)
    except SystemExit as done:
        # after --help and --version
        return int(done.code or 0)
    # the user asked one thing, and transformers' own bars and advice do not answer it
    os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")
    os.environ.setdefault("HF_HUB_DISABLE_PROGRESS_BARS", "1")
    wait_asleep()
    os.environ.setdefault("TQDM_DISABLE", "1")
    _check_directory()
    if arguments.speaks_protocol:
        # the streams belong to the protocol, which handles closed ones itself
        streams.restore()
    elif getattr(arguments, "output", None) is None:
        # before any work without a reader
        stdout().check_open()
    return arguments.run(arguments)


def _check_directory() -> None:
    # libraries that torch loads end the process where they cannot ask for it
    try:
        os.getcwd()
    except OSError as error:
        raise TransparencyError(
            "invalidParams", "The current directory no longer exists.", "Change to another one."
        ) from error


class _Parser(argparse.ArgumentParser):
    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        # from Python 3.14 on: colours that are not ours
        self.color = False

    def error(self, message: str) -> NoReturn:
        raise TransparencyError("invalidParams", f"{message[:1].upper()}{message[1:]}.", f"See {self.prog} --help.")


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(
        prog="lm-transparency", description="Exact information-flow routes of transformer language models."
    )
    parser.add_argument("--version", action="version", version=f"%(prog)s {__version__}")
    parser.set_defaults(speaks_protocol=False)
    commands = parser.add_subparsers(metavar="COMMAND", required=True)
    for module in (analyze, effects, inspect, lens, models, doctor, bench, serve, attach):
        module.add_parser(commands)
    return parser
