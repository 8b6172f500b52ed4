"""A real server whose model prints in every layer, and whose watch logs every step."""

import os
import sys
from typing import Any

from lm_transparency.server.stdio import serve


def noisy_session() -> Any:
    from lm_transparency.server.compute.backend import new_session
    from lm_transparency.session.session import Session
    from lm_transparency.watch import Watch

    class LoudWatch(Watch):
        def __init__(self, inner: Watch) -> None:
            super().__init__()
            self._inner = inner

        def step(self, stage: str, done: int = 0, total: int = 0) -> None:
            self._inner.step(stage, done, total)
            print(f"step {stage} {done}", file=sys.stderr, flush=True)

    class NoisySession(Session):
        def load(self, *args: Any, **options: Any) -> Any:
            loaded = super().load(*args, **options)
            for block in loaded.anatomy.blocks:
                block.module.register_forward_hook(make_noise)
            return loaded

        def analyze(self, *args: Any, watch: Watch, **options: Any) -> Any:
            return super().analyze(*args, watch=LoudWatch(watch), **options)

    def make_noise(*_: Any) -> None:
        print("Content-Length: 5\r\n\r\nnoise", flush=True)
        os.write(1, b"Content-Length: 7\r\n\r\nnoises!")

    new_session()
    return NoisySession()


if __name__ == "__main__":
    serve(noisy_session)
