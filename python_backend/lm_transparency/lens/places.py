"""Where a model's fitted lens is kept, and which lens a name means."""

from __future__ import annotations

import os
from dataclasses import replace
from functools import lru_cache
from pathlib import Path

from ..ambient import guarded
from ..errors import TransparencyError
from ..files.fingerprint import text_fingerprint
from ..model.embedded import cache_directory
from ..model.loading import LoadedModel
from .files import n_fitted, read_lens, settings_of
from .maps import LOGIT, LensMaps
from .plan import Fitted, Plan


def kept_lens(fingerprint: str, kind: Fitted = "jacobian") -> Path:
    """The file of the lens that was fitted here for a model, present or future."""
    return cache_directory() / "lenses" / f"{kind}-{text_fingerprint(fingerprint)}.safetensors"


def fit_kept(fingerprint: str, kind: Fitted = "jacobian") -> int | None:
    """How many sequences the lens that was fitted here is of; None without one. Raises `TransparencyError`."""
    kept = kept_lens(fingerprint, kind)
    return n_fitted(kept) if kept.exists() else None


def going_on(fingerprint: str, plan: Plan) -> Plan:
    """`plan` with the settings of the lens that was fitted here, so that it goes on; the same plan without one.

    Raises `TransparencyError("invalidParams")` where that lens is damaged or was fitted on texts.
    """
    kept = kept_lens(fingerprint, plan.kind)
    if not kept.exists():
        return plan
    remedy = f"Remove {kept} to fit the lens from the beginning."
    try:
        found = settings_of(kept)
    except TransparencyError as error:
        raise TransparencyError(error.kind, error.message, remedy) from error
    if "seed" not in found:
        raise TransparencyError("invalidParams", "The lens that is here was fitted on texts.", remedy)
    return replace(plan, **{name: int(found[name]) for name in ("tokens", "skip", "seed")})


def lens_named(name: str, *, d_model: int, n_layers: int, fingerprint: str) -> LensMaps:
    """The lens that `logit`, `jacobian` or `tuned` (fitted here) or a path means.

    Raises `TransparencyError("invalidParams")`.
    """
    if name in ("", "logit"):
        return LOGIT
    if name != "jacobian" and name != "tuned":
        return _read(Path(name), d_model, n_layers, fingerprint)
    kept = kept_lens(fingerprint, name)
    if not kept.exists():
        title, option = ("tuned", " --kind tuned") if name == "tuned" else ("Jacobian", "")
        raise TransparencyError(
            "invalidParams", f"No {title} lens of this model is here.", f"Fit one: lm-transparency lens fit{option}."
        )
    return replace(_read(kept, d_model, n_layers, fingerprint), name=name)


def _read(path: Path, d_model: int, n_layers: int, fingerprint: str) -> LensMaps:
    if "\0" in str(path):
        raise TransparencyError("invalidParams", "The name of the lens holds a NUL character.", "Name a file.")
    try:
        found = os.stat(path)
    except OSError:
        return read_lens(path, d_model=d_model, n_layers=n_layers, fingerprint=fingerprint)
    return _read_once(str(path), (found.st_mtime_ns, found.st_size), d_model, n_layers, fingerprint)


@lru_cache(maxsize=2)
def _read_once(path: str, _state: tuple[int, int], d_model: int, n_layers: int, fingerprint: str) -> LensMaps:
    # a view asks for a few rows at a time
    return read_lens(path, d_model=d_model, n_layers=n_layers, fingerprint=fingerprint)


@guarded
def load_lens(model: LoadedModel, name: str = "jacobian") -> LensMaps:
    """The lens of a loaded model: `jacobian` or `tuned` (fitted here by `lm-transparency lens fit`), `logit`, or
    a path.

    Raises `TransparencyError("invalidParams")` where there is none, for what is no lens, and for another model's.
    """
    return lens_named(name, d_model=model.anatomy.d_model, n_layers=len(model.anatomy.blocks), fingerprint=model.files)
