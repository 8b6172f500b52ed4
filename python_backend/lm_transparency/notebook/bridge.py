"""The kernel's end: a widget without a view, which answers the questions of the graphs shown."""

from __future__ import annotations

import secrets
from typing import Any

import anywidget
import traitlets

from ..errors import TransparencyError, is_out_of_memory
from ..printable import terminal
from ..protocol import INSPECTIONS
from ..protocol.wire import read, to_wire
from ..session.answers import answer
from ..session.session import Session
from ..watch import Watch
from .output import built


class Bridge(anywidget.AnyWidget):
    """One per kernel, never displayed: JupyterLab runs its script nevertheless, and saves nothing of it."""

    _esm = traitlets.Unicode().tag(sync=True)
    #: Identifies this kernel to the graphs that it has shown.
    channel = traitlets.Unicode().tag(sync=True)

    def __init__(self, session: Session) -> None:
        super().__init__(_esm=built("notebook-bridge.js"), channel=secrets.token_hex(16))
        self._session = session
        self.on_msg(self._on_message)

    def _on_message(self, _widget: Any, asked: Any, _buffers: Any) -> None:
        number = asked.get("id") if isinstance(asked, dict) else None
        if not isinstance(number, int):
            return

        def report(stage: str, done: int, total: int) -> None:
            fraction = done / total if total else None
            self.send({"kind": "asking", "id": number, "message": stage[:1].upper() + stage[1:], "fraction": fraction})

        found, error = None, None
        try:
            found = answer_to(self._session, asked.get("method"), asked.get("params"), Watch(report))
        except KeyboardInterrupt:
            error = "Interrupted."
        except Exception as failure:
            error = _sentence(failure)
        self.send({"kind": "answer", "id": number, "answer": found, "error": error})


def answer_to(session: Session, method: Any, params: Any, watch: Watch) -> Any:
    """The answer to a question about a run, as plain JSON. Raises `TransparencyError`."""
    if method not in INSPECTIONS:
        raise TransparencyError("invalidParams", f"There is no question {method!r}.")
    return to_wire(answer(read(INSPECTIONS[method][0], params), session, watch))


def _sentence(failure: Exception) -> str:
    if isinstance(failure, TransparencyError):
        if failure.kind == "runExpired":
            return "The kernel no longer holds this analysis. Run the cell again."
        return str(failure)
    if is_out_of_memory(failure):
        return "The device does not have enough memory for this answer."
    first = (str(failure).strip().splitlines() or [""])[0]
    return terminal(f"{type(failure).__name__}: {first}"[:300])
