"""A server whose session computes nothing: `loadModel` does what its source names, `unloadModel` logs and answers,
`analyze` steps until it is cancelled. With `shared` as first argument it is the one that windows share.
"""

import os
import subprocess
import sys
import time
from typing import Any

from lm_transparency.server import shared
from lm_transparency.server.stdio import serve


class FakeSession:
    loaded: tuple[()] = ()
    traces = 0, 0, 0

    def load(self, source: str, *, watch: Any, **_options: Any) -> None:
        print(f"began {source}", file=sys.stderr, flush=True)
        if source == "analyzed":
            return
        for done in range(40 if source == "slow" else 0):
            watch.step("loading", done, 40)
            time.sleep(0.02)
        if source == "slow":
            print("ended slow", file=sys.stderr, flush=True)
            return
        held: list[bytes] = []
        while source == "hungry":
            held.append(b"x" * 10_000_000)
        if source == "sleep":
            time.sleep(3600)
        while source == "step":
            watch.step("contributions", 0, 30)
            time.sleep(0.005)
        if source == "child":
            child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(3600)"])
            print(f"child {child.pid}.", file=sys.stderr, flush=True)
            try:
                while True:
                    watch.step("downloading the embedded model", 5_000_000, 93_000_000)
                    time.sleep(0.05)
            finally:
                child.kill()
                child.wait()
        for done in range(300 if source == "progress" else 0):
            watch.step("forward" if done < 150 else "contributions", done % 150, 150)
            time.sleep(0.002)
        if source == "print":
            print("printed to stdout", flush=True)
            os.write(1, b"written to fd 1\n")
            subprocess.run(["echo", "echoed by a child"], check=True)
            print(f"read {sys.stdin.read()!r} from stdin", file=sys.stderr, flush=True)
        raise {"exit": SystemExit(3), "stop": StopIteration(), "memory": MemoryError()}.get(source, OSError("a\nb"))

    def analyze(self, _model: None, prompt: str, *, watch: Any, **_options: Any) -> None:
        watch.check()
        print(f"began to analyze {prompt}", file=sys.stderr, flush=True)
        if prompt == "threads":
            import torch

            print(f"computes on {torch.get_num_threads()} threads", file=sys.stderr, flush=True)
            raise KeyError
        while True:
            watch.step("forward", 0, 30)
            time.sleep(0.005)

    def unload(self, source: str = "") -> list[str]:
        print(f"unloaded {source}", file=sys.stderr, flush=True)
        return [source]


if __name__ == "__main__":
    if sys.argv[1:2] == ["shared"]:
        shared.main(sys.argv[2:], FakeSession)  # pyright: ignore[reportArgumentType]
    serve(FakeSession)  # pyright: ignore[reportArgumentType]
