"""`lm-transparency`: the command line. One module a command; torch is imported by none of them before it is needed."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence

from .. import __version__
from ..errors import Cancelled, TransparencyError
from . import analyze, attach, bench, doctor, inspect, lens, models, serve

#: 130 is what a shell reports for Ctrl-C.
_INTERRUPTED = 130


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; the exit code: 0, 2 bad usage or input, 3 a model cannot be loaded, 4 it cannot be analysed."""
    arguments = _parser().parse_args(argv)
    # a person at a terminal asked for one thing; transformers' own bars and advice are not it
    os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")
    os.environ.setdefault("HF_HUB_DISABLE_PROGRESS_BARS", "1")
    try:
        return arguments.run(arguments)
    except TransparencyError as error:
        return _fail(str(error), error.exit_code)
    except ModuleNotFoundError as error:
        name = (error.name or "a module").partition(".")[0]
        return _fail(f"The Python package {name!r} is missing. Install it: python -m pip install {name}", 3)
    except BrokenPipeError:
        # the reader went away (`| head`); python would complain once more at exit
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except (KeyboardInterrupt, Cancelled):
        return _fail("Interrupted.", _INTERRUPTED)


def _fail(reason: str, code: int) -> int:
    print("lm-transparency: " + " ".join(reason.split()), file=sys.stderr)
    return code


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="lm-transparency", description="Exact information-flow routes of transformer language models."
    )
    parser.add_argument("--version", action="version", version=f"%(prog)s {__version__}")
    commands = parser.add_subparsers(metavar="COMMAND", required=True)
    for module in (analyze, inspect, lens, models, doctor, bench, serve, attach):
        module.add_parser(commands)
    return parser
