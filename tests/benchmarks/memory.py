"""What a backend holds after much work over the wire, and after everything was unloaded: resident memory in MB.

python tests/benchmarks/memory.py [live edits] [analyses] [loads and unloads]

Fails where more than a tenth stays behind of what was resident after the first load and unload.
"""

from __future__ import annotations

import sys
from pathlib import Path

import psutil

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "python" / "server"))
from language_client import Client

SAMPLE = "The committee that met in the old library could not agree, so the letter that {} wrote was never sent to {}. "
NAMES = ("Mary", "John", "Anna", "Peter", "Ruth", "Paul", "日本", "Елена")
LIMIT = 1.1


class Work:
    """Asks as an editor does, of one model. `source`: empty for the embedded one."""

    def __init__(self, client: Client, source: str = "") -> None:
        self._client = client
        self._source = source
        self._process = psutil.Process(client.process.pid)

    def resident(self) -> float:
        """MB of the backend and of the processes it has started."""
        everyone = [self._process, *self._process.children(recursive=True)]
        return sum(process.memory_info().rss for process in everyone) / 1e6

    def load(self) -> None:
        self._client.ask("lmTransparency/loadModel", {"source": self._source}, 600)

    def unload(self) -> None:
        self._client.ask("lmTransparency/unloadModel", {}, 600)

    def edit(self, number: int) -> None:
        """A letter more, as live mode analyses it."""
        prompt = SAMPLE.format(NAMES[number // 40 % len(NAMES)], "Rome")
        self._analyze(prompt[: 20 + number % 40 * 2], live=True)

    def analyze(self, number: int) -> None:
        """A prompt of 30 to 200 tokens, and what is looked at in its graph."""
        names = NAMES[number % 8], NAMES[number // 8 % 8]
        run_id = self._analyze(f"{number}. " + SAMPLE.format(*names) * (1 + number % 6), live=False)
        for question, params in (
            ("nodeTokens", {"node": "I1_3"}),
            ("edgeHeads", {"layer": 1, "query": 5, "key": 2}),
            ("ffnNeurons", {"layer": 1, "position": 4}),
        ):
            self._client.ask(f"lmTransparency/{question}", {"runId": run_id, **params}, 600)

    def _analyze(self, prompt: str, *, live: bool) -> str:
        params = {"prompt": prompt, "source": self._source, "live": live}
        return self._client.ask("lmTransparency/analyze", params, 600)["runId"]


def measure(work: Work, edits: int, analyses: int, cycles: int, say: bool = True) -> dict[str, float]:
    """Resident memory by moment, in MB."""
    found: dict[str, float] = {}

    def note(moment: str) -> None:
        found[moment] = work.resident()
        if say:
            print(f"{moment:<32} {found[moment]:8.0f} MB", flush=True)

    note("started")
    work.load()
    note("loaded")
    work.unload()
    note("first unloaded")
    work.load()
    for number in range(edits):
        work.edit(number)
    note(f"{edits} live edits")
    for number in range(analyses):
        work.analyze(number)
    note(f"{analyses} analyses")
    work.unload()
    note("unloaded")
    for number in range(cycles):
        work.load()
        work.unload()
        if say or number == cycles - 1:
            note(f"load and unload {number + 1}" if number < cycles - 1 else "last unloaded")
    return found


def main() -> int:
    edits, analyses, cycles = [*map(int, sys.argv[1:]), *(1000, 500, 20)[len(sys.argv) - 1 :]]
    client = Client()
    try:
        client.initialize()
        client.until_imported()
        found = measure(Work(client), edits, analyses, cycles)
    finally:
        client.end()
    base = found["first unloaded"]
    stays = [moment for moment in ("unloaded", "last unloaded") if found.get(moment, 0) > LIMIT * base]
    for moment in stays:
        print(f"{moment}: {found[moment] / base:.2f} times what it was after the first unload")
    return 1 if stays else 0


if __name__ == "__main__":
    sys.exit(main())
