"""Refusals of models that cannot be read: one sentence, and a remedy."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from transformers import AutoTokenizer

from ..errors import STOPS, TransparencyError, first_line, is_out_of_memory
from . import trust
from .hub import is_unreachable, unreachable
from .sources import Source
from .weights import SAVE_AGAIN

_SENTENCE_PIECE = (".model", ".spm")
#: Beginnings of the names of other files that a tokenizer is made from.
_PARTS = ("vocab", "merges", "tekken")
#: transformers names the package that a class needs in one of these ways.
_PACKAGE = re.compile(r"(?:pip install|need to install|requires the)\s+`?([A-Za-z0-9][\w.-]*\w)")


def read_tokenizer(found: Source, location: str, **how: Any) -> Any:
    """The tokenizer of `found`. Raises `TransparencyError("modelUnusable")` where no tokenizer can be read."""
    try:
        tokenizer = AutoTokenizer.from_pretrained(location, **how)
    except (TransparencyError, *STOPS):
        raise
    except BaseException as error:
        if is_out_of_memory(error) or "trust_remote_code" in str(error) or "custom code" in str(error):
            raise
        raise _no_tokenizer(found, error) from error
    if found.kind != "gguf" and not _has_vocabulary(tokenizer, found.folder):
        # transformers makes an empty tokenizer from nothing
        raise _no_tokenizer(found, None)
    return tokenizer


def _has_vocabulary(tokenizer: Any, folder: Path | None) -> bool:
    names = getattr(tokenizer, "vocab_files_names", {}).values()
    return folder is None or not names or any((folder / name).is_file() for name in names)


def _no_tokenizer(found: Source, error: BaseException | None) -> TransparencyError:
    folder = found.folder
    files = [] if folder is None else sorted(f.name for f in folder.iterdir() if f.is_file())
    copy = "Copy tokenizer.json and tokenizer_config.json into it from the model that it was made from."
    if found.kind == "gguf":
        why = "" if error is None else f": {first_line(error)}"
        return TransparencyError("modelUnusable", f"The tokenizer of {found.name} cannot be read{why}.", SAVE_AGAIN)
    alone = next((name for name in files if name.endswith(_SENTENCE_PIECE)), "")
    if folder is not None and alone and "tokenizer.json" not in files:
        packages = "package tiktoken" if _is_text(folder / alone) else "packages sentencepiece and protobuf"
        return TransparencyError(
            "modelUnusable",
            f"{found.name} has its tokenizer as {alone} alone, which could not be converted to a tokenizer.json.",
            f"Install the Python {packages} and load it again, or copy tokenizer.json into its folder from the model "
            "that it was made from.",
        )
    package = _missing_package(error)
    if package:
        return TransparencyError(
            "dependencyMissing",
            f"The tokenizer of {found.name} needs the Python package {package}, which is not installed.",
            f"Run `pip install {package}` and load it again.",
        )
    if error is not None and "tokenizer.json" in files:
        return TransparencyError(
            "modelUnusable", f"The tokenizer of {found.name} cannot be read: {first_line(error)}.", copy
        )
    part = next((name for name in files if name.startswith(_PARTS) or name.endswith(".tiktoken")), "")
    if part:
        return TransparencyError(
            "modelUnusable", f"{found.name} has {part}, but no tokenizer could be made from it.", copy
        )
    return TransparencyError("modelUnusable", f"{found.name} has no tokenizer in its folder.", copy)


def _is_text(file: Path) -> bool:
    """Whether a vocabulary is in tiktoken's format, lines of Base64; SentencePiece's begins with a control byte."""
    with file.open("rb") as opened:
        return opened.read(1).isalnum()


def _missing_package(error: BaseException | None) -> str:
    """The package without which `error` was raised; empty where that is not the reason."""
    while error is not None:
        named = _PACKAGE.search(str(error)) if isinstance(error, ImportError) else None
        if named:
            return named[1]
        if isinstance(error, ModuleNotFoundError) and error.name:
            return error.name.partition(".")[0]
        error = error.__cause__ or error.__context__
    return ""


def unreadable(found: Source, error: BaseException) -> TransparencyError:
    """The refusal for an error that transformers, or one of its parsers, raised while reading `found`."""
    if found.kind == "hub" and is_unreachable(error):
        return unreachable(found.name)
    first = first_line(error)
    install = re.search(r"pip install [^`()]*[^`().,:\s]", str(error))
    if isinstance(error, ImportError) and "kernels" in str(error):
        return TransparencyError(
            "modelUnusable",
            f"{found.name} needs compiled code that would be fetched from the hub, and such code is not run here.",
            "Use a copy of the model whose weights are stored differently: in bfloat16, as GGUF, or by bitsandbytes.",
        )
    if isinstance(error, ImportError) and ("HQQ" in str(error) or install):
        # transformers' message about HQQ is a link
        command = install[0] if install else "pip install hqq"
        return TransparencyError(
            "dependencyMissing", f"{found.name} needs a Python package that is not installed.", f"Run `{command}`."
        )
    if "trust_remote_code" in str(error) or "custom code" in str(error):
        return TransparencyError(
            "modelUnusable",
            f"{found.name} needs to run its own code.",
            trust.REMEDY,
        )
    if "Unrecognized configuration class" in str(error) or "does not recognize this architecture" in str(error):
        return TransparencyError(
            "modelUnsupported",
            f"{found.name} is neither a causal language model nor a classifier that transformers knows.",
            first[:200],
        )
    if "ignore_mismatched_sizes" in str(error):
        return TransparencyError(
            "modelUnusable",
            f"The weights of {found.name} have other shapes than its config.json says.",
            "Download or save the model again.",
        )
    if "no file named model.safetensors" in str(error) or "a file named model.safetensors" in str(error):
        return TransparencyError(
            "modelUnusable",
            f"{found.name} has no safetensors weights; pickled ones are refused, since unpickling can run code.",
            "Convert them once with model.save_pretrained(folder).",
        )
    return TransparencyError("modelUnusable", f"{found.name} could not be read: {first}.", SAVE_AGAIN)
