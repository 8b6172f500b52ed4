"""The heavy packages: imported late, refused where too old, with a remedy where one is missing."""

from __future__ import annotations

import importlib
import re
import sys
from collections.abc import Callable
from dataclasses import dataclass

from ...errors import TransparencyError
from .priority import wait_asleep

#: Older versions are refused: their torch.load and model loading ran code that came with weights.
MINIMUM = {"torch": (2, 6), "transformers": (5, 3)}
#: Display names.
_NEEDED = {"torch": "PyTorch", "transformers": "Transformers", "numba": "Numba"}


@dataclass(frozen=True)
class Versions:
    """The version; empty where a package is not imported."""

    torch: str = ""
    transformers: str = ""


def import_heavy(importing: Callable[[str], None] = lambda _name: None) -> None:
    """Import torch, transformers and numba, which takes seconds; `importing` is called before each.

    Raises `TransparencyError("dependencyMissing")` for a package that is missing, broken or too old.
    """
    wait_asleep()
    for name, called in _NEEDED.items():
        importing(called)
        try:
            module = importlib.import_module(name)
        except Exception as error:
            raise missing(name, error) from error
        found = str(getattr(module, "__version__", ""))
        if name in MINIMUM and _numbers(found) < MINIMUM[name]:
            wanted = _dotted(name)
            raise TransparencyError(
                "dependencyMissing",
                f"{name} {found or 'of unknown version'} is refused: "
                f"versions before {wanted} have known vulnerabilities that let a model run code.",
                _remedy(f"{name}>={wanted}"),
            )


def imported() -> Versions:
    """The versions of the packages imported so far."""
    return Versions(*(str(getattr(sys.modules.get(name), "__version__", "")) for name in ("torch", "transformers")))


def missing(name: str, error: Exception) -> TransparencyError:
    """The error for a package that is not installed, or installed and broken."""
    if isinstance(error, ModuleNotFoundError) and error.name:
        name = error.name.partition(".")[0]
        message = f"The Python package {name} is not installed in {sys.executable}."
    else:
        first = (str(error).strip().splitlines() or [type(error).__name__])[0]
        message = f"The Python package {name} is installed in {sys.executable} but cannot be imported: {first[:200]}"
    return TransparencyError(
        "dependencyMissing", message, _remedy(f"{name}>={_dotted(name)}" if name in MINIMUM else name)
    )


def _remedy(requirement: str) -> str:
    return (
        f"Run `{sys.executable} -m pip install --upgrade '{requirement}'` and try again; in VS Code, "
        "“LM Transparency: Set Up Backend” does so."
    )


def _dotted(name: str) -> str:
    return ".".join(map(str, MINIMUM[name]))


def _numbers(version: str) -> tuple[int, int]:
    found = re.match(r"(\d+)\.(\d+)", version)
    return (int(found[1]), int(found[2])) if found else (0, 0)
