"""How an unsuccessful command ends: one sentence on stderr, and an exit code."""

from __future__ import annotations

import errno
import os
import traceback

from ..errors import Cancelled, TransparencyError, is_out_of_memory
from ..printable import sentence
from ..streams import StreamError, stderr

#: The exit codes of a shell for Ctrl-C, and for a reader that left (`| head`), as for any Unix command.
INTERRUPTED, READER_LEFT = 130, 141
#: Undeliverable output and unusable files are for the caller to correct.
USAGE = 2
MISSING, MEMORY = 3, 4
#: An internal error, as `sysexits.h` numbers it.
UNEXPECTED = 70

#: Set in the environment, it shows where a failure came from.
DEBUG = "LM_TRANSPARENCY_DEBUG"


def ended(error: BaseException) -> int:
    """Print what `error` means, and return the exit code."""
    words, code = _meaning(error)
    if os.environ.get(DEBUG):
        stderr().write("".join(traceback.format_exception(error)))
    if words:
        stderr().write(f"lm-transparency: {sentence(words)}\n")
    return code


def _meaning(error: BaseException) -> tuple[str, int]:
    if isinstance(error, SystemExit):
        return ("", error.code) if isinstance(error.code, int) else (str(error.code or ""), 1 if error.code else 0)
    if isinstance(error, KeyboardInterrupt | Cancelled):
        return "Interrupted.", INTERRUPTED
    if isinstance(error, TransparencyError):
        return str(error), error.exit_code
    if isinstance(error, BrokenPipeError) or (isinstance(error, StreamError) and error.reader_left):
        return "", READER_LEFT
    if isinstance(error, StreamError):
        return f"{error.stream} cannot be written: {_why(error)}. Write to a file instead: --output FILE.", USAGE
    if isinstance(error, ModuleNotFoundError):
        name = (error.name or "a module").partition(".")[0]
        return f"The Python package {name!r} is missing. Install it: python -m pip install {name}", MISSING
    if is_out_of_memory(error):
        return "There is not enough memory. Shorten the prompt, or choose a smaller model.", MEMORY
    if isinstance(error, OSError):
        return f"{_place(error)} cannot be used: {_why(error)}. Make it usable, or name another.", USAGE
    if isinstance(error, UnicodeError):
        words = "A name or a text has characters that the encoding of this system does not have."
        return f"{words} Rename it, or choose a UTF-8 locale (LC_ALL=C.UTF-8).", USAGE
    first = str(error).strip().partition("\n")[0]
    said = f"{type(error).__name__}: {first}" if first else type(error).__name__
    return f"Something unexpected failed ({said}). {DEBUG}=1 shows where.", UNEXPECTED


def _why(error: OSError) -> str:
    if error.errno == errno.EBADF:
        return "it is closed"
    return error.strerror or str(error) or type(error).__name__


def _place(error: OSError) -> str:
    if error.filename is not None:
        return os.fsdecode(error.filename) if isinstance(error.filename, str | bytes) else str(error.filename)
    try:
        os.getcwd()
    except OSError:
        return "The current directory"
    return "A file"
