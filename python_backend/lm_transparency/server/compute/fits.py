"""A lens that is fitted behind everything else: in a niced thread that goes on only while nothing else computes."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from ...watch import Watch
from .priority import step_back

if TYPE_CHECKING:
    from ...lens.fits import Kept
    from ...lens.plan import Plan
    from ...model.loading import LoadedModel

logger = logging.getLogger(__name__)

#: Seconds after which it is looked whether something else is to compute.
_LOOK_S = 0.02
#: Seconds that a fit has to leave its model.
_LEAVE_S = 1.0


class Fit:
    """The fit of one model's lens. Between `go_on` it stands still within one pass, with what it has in memory: nothing
    that is asked meanwhile waits for it, or makes it begin a sequence again.
    """

    def __init__(self, model: LoadedModel, plan: Plan, kept: Callable[[Kept], None]) -> None:
        """`kept` is called on the fit's own thread."""
        self.model = model
        self._plan = plan
        self._kept = kept
        self._may = threading.Event()
        self._over = threading.Event()
        self._watch = Watch(self._step)
        self._share = 0.0
        self._spent = 0.0
        self._stopped_by: BaseException | None = None
        self._thread = threading.Thread(target=self._run, name="fitting", daemon=True)

    def go_on(self, watch: Watch, seconds: float) -> bool:
        """Let it compute for `seconds`, or until `watch` is cancelled; whether it is over. Raises what ended it, and
        `Cancelled` within `_LOOK_S`.
        """
        if self._thread.ident is None:
            self._thread.start()
        began = time.monotonic()
        self._may.set()
        try:
            while not self._over.wait(_LOOK_S):
                watch.check()
                if time.monotonic() - began > seconds:
                    return False
        finally:
            self._may.clear()
            self._spent += time.monotonic() - began
        if self._stopped_by is not None:
            raise self._stopped_by
        return True

    @property
    def share(self) -> float:
        """How much of what was left at the beginning is done."""
        return self._share

    @property
    def seconds_left(self) -> float | None:
        """While nothing else computes; None before there is something to go by."""
        return self._spent * (1 - self._share) / self._share if self._share > 0.01 else None

    def close(self) -> None:
        """End it; sequences that are done are kept."""
        self._watch.cancel()
        self._may.set()
        if self._thread.ident is not None:
            self._thread.join(_LEAVE_S)

    def _step(self, stage: str, done: int, total: int) -> None:
        # whoever ends it may have come before
        while not self._may.wait(_LOOK_S):
            self._watch.check()
        self._watch.check()
        if stage == "fitting":
            self._share = done / total

    def _run(self) -> None:
        from ...lens.fits import fit_lens
        from ...lens.places import kept_lens

        step_back()
        try:
            fit_lens(self.model, self._plan, kept_lens(self.model.files), self._watch, resume=True, kept=self._kept)
        except BaseException as error:
            self._stopped_by = error
            logger.info("A fit ended: %s", error)
        finally:
            self._over.set()
