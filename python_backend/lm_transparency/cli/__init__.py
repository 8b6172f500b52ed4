"""`lm-transparency`: the command line. One module per command; torch is imported only when needed."""

from __future__ import annotations

import argparse
import difflib
import os
import sys
from collections.abc import Iterable, Sequence
from typing import Any, NoReturn

from ..errors import TransparencyError
from ..files.inputs import forget_inputs
from ..server.compute.priority import wait_asleep
from ..streams import Streams, standard_streams, stdout
from ..version import __version__
from . import analyze, attach, bench, doctor, effects, inspect, lens, lens_fit, models, serve
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
        arguments = _parser().parse_args(_joined(sys.argv[1:] if argv is None else argv))
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


def _joined(argv: Sequence[str]) -> list[str]:
    """A command of two words is one to the parser. A prompt file of the second word's name is `./fit`."""
    words = lens_fit.NAME.split()
    return [lens_fit.NAME, *argv[len(words) :]] if list(argv[: len(words)]) == words else list(argv)


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
        self._meant = ""

    def parse_known_args(  # pyright: ignore[reportIncompatibleMethodOverride]  # of overloads
        self, args: Any = None, namespace: Any = None
    ) -> tuple[Any, list[str]]:
        # refused by the command itself, whose options are known and whose help lists them
        found, unknown = super().parse_known_args(args, namespace)
        if unknown:
            first = next((word for word in unknown if word.startswith("-")), unknown[0])
            self._meant = _closest(first.partition("=")[0], self._option_string_actions)
            self.error(f"unrecognized arguments: {' '.join(unknown)}")
        return found, unknown

    def _check_value(self, action: argparse.Action, value: Any) -> None:
        if action.choices is not None and value not in action.choices:
            self._meant = _closest(str(value), map(str, action.choices))
        super()._check_value(action, value)

    def error(self, message: str) -> NoReturn:
        meant = f"Did you mean {self._meant}? " if self._meant else ""
        raise TransparencyError(
            "invalidParams", f"{message[:1].upper()}{message[1:]}.", f"{meant}See {self.prog} --help."
        )


def _closest(word: str, known: Iterable[str]) -> str:
    """The known word that `word` was probably meant to be; empty where none is like it."""
    return next(iter(difflib.get_close_matches(word, list(known), n=1)), "")


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(
        prog="lm-transparency", description="Exact information-flow routes of transformer language models."
    )
    parser.add_argument("--version", action="version", version=f"%(prog)s {__version__}")
    parser.set_defaults(speaks_protocol=False)
    commands = parser.add_subparsers(metavar="COMMAND", required=True)
    for module in (analyze, effects, inspect, lens, lens_fit, models, doctor, bench, serve, attach):
        module.add_parser(commands)
    return parser
