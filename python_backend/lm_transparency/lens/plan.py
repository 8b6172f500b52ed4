"""The plan of a fit: how many sequences, of what, and how many rows a pass gives. Imports no torch."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from ..errors import TransparencyError
from ..files.fingerprint import text_fingerprint

#: Lenses that are fitted.
Fitted = Literal["jacobian", "tuned"]
#: Positions at the beginning of a sequence that are left out: attention rests there.
SKIP = 8
#: Rows of a layer's matrix that one backward pass gives: enough for fast matrix products on a CPU.
BATCH = 8
#: A fit that has no number of sequences stops here at the latest.
MOST = 512
#: The number of the sequence that a fit is tried on and that is not in it, where sequences are sampled.
APART = 2**30
#: Of one fit: each sequence takes seconds. Seeds: those that a generator takes, with a sequence's number.
_MOST_SEQUENCES, _MOST_SEED = 100_000, 2**32


@dataclass(frozen=True)
class Plan:
    """`kind`: what is fitted. `texts`: cut into pieces; without them, sequences are sampled from the model.
    `sequences`: how many, from number `first` on; None: until the readings settle. `tokens`: of a sequence, of which
    the first `skip` are left out. `batch`: rows of the matrices in one backward pass. `seed`: of the sampled sequences.
    """

    kind: Fitted = "jacobian"
    texts: tuple[str, ...] = ()
    sequences: int | None = None
    first: int = 0
    tokens: int = 64
    skip: int = SKIP
    batch: int = BATCH
    seed: int = 0

    def check(self) -> None:
        """Raises `TransparencyError("invalidParams")`."""
        least = {"sequences": 1, "first": 0, "tokens": 2, "skip": 0, "batch": 1, "seed": 0}
        for name, smallest in least.items():
            given = getattr(self, name)
            if given is not None and given < smallest:
                raise TransparencyError("invalidParams", f"--{name} is {given}.", f"It takes {smallest} or more.")
        most = {"sequences": _MOST_SEQUENCES, "first": APART - _MOST_SEQUENCES, "seed": _MOST_SEED}
        for name, largest in most.items():
            given = getattr(self, name)
            if given is not None and given > largest:
                raise TransparencyError("invalidParams", f"--{name} is {given}.", f"It takes up to {largest:,}.")
        if self.tokens <= self.skip:
            raise TransparencyError(
                "invalidParams",
                f"--tokens is {self.tokens}, of which the first {self.skip} are left out.",
                "Use longer sequences, or a smaller --skip.",
            )

    @property
    def settings(self) -> dict[str, Any]:
        """What has to be the same for a fit to go on, or to be merged. JSON values."""
        own: dict[str, Any] = {"tokens": self.tokens, "skip": self.skip}
        own |= {"kind": self.kind} if self.kind != "jacobian" else {}
        return own | ({"texts": text_fingerprint(*self.texts)} if self.texts else {"seed": self.seed})
