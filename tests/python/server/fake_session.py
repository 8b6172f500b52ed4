"""A server whose session computes nothing: `loadModel` does what its source names, `unloadModel` logs and answers."""

import os
import subprocess
import sys
import time
from typing import Any

from lm_transparency.server.stdio import serve


class FakeSession:
    loaded: tuple[()] = ()

    def load(self, source: str, *, watch: Any, **_options: Any) -> None:
        print(f"began {source}", file=sys.stderr, flush=True)
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

    def unload(self, source: str) -> list[str]:
        print(f"unloaded {source}", file=sys.stderr, flush=True)
        return [source]


if __name__ == "__main__":
    serve(FakeSession)  # pyright: ignore[reportArgumentType]
