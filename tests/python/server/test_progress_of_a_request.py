"""The reports of a request: a share where one is known, and none where a stage does not say how far it is."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any

from lm_transparency.server.connection.progress import INTERVAL, Progress


def test_a_stage_without_steps_reports_no_share_and_later_ones_go_on_from_it() -> None:
    sent: list[tuple[str | None, int | None]] = []

    def notify(_method: str, params: Any) -> None:
        if params.value.kind == "report":
            sent.append((params.value.message, params.value.percentage))

    async def scene() -> None:
        protocol: Any = SimpleNamespace(progress=SimpleNamespace(tokens={}), notify=notify)
        with Progress(protocol, "p", "Analyzing") as progress:
            for step in (("reading weights", 0, 0), ("compiling (once)", 0, 0), ("forward", 1, 2), ("forward", 2, 2)):
                progress.report(*step)
                await asyncio.sleep(2 * INTERVAL)

    asyncio.run(scene())
    assert [words for words, _ in sent[:2]] == ["Reading weights", "Compiling (once)"]
    assert [share for _, share in sent[:2]] == [None, None]
    shares = [share for _, share in sent[2:] if share is not None]
    assert len(shares) == 2
    assert shares == sorted(shares)
