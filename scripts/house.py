"""The Python house, read from the code itself: rooms, floors, circles, arrows, arrows back up, the largest files.

    python scripts/house.py [FOLDER]

A room is a folder of the package, or a file that stands beside the folders. An arrow goes from a room to one that it
imports, in functions and for types as well. `ROOMS` declares the order; `tests/python/test_house.py` keeps it.
"""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Hashable, Iterable, Mapping
from pathlib import Path
from typing import TypeVar

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = "lm_transparency"

#: Every room, the lowest first. A room imports only rooms that come before it here.
ROOMS = (
    "version",
    "wording",
    "printable",
    "errors",
    "watch",
    "streams",
    "ambient",
    "isolation",
    "files",
    "model",
    "protocol",
    "prompts",
    "trace",
    "routes/kernels",
    "routes",
    "causal",
    "lens",
    "analysis",
    "inspection",
    "exports/drawing",
    "exports",
    "session",
    "batch",
    "notebook",
    "server/compute",
    "server/connection",
    "server/language",
    "server",
    "cli/questions",
    "cli",
    "__main__",
    "__init__",
)

#: Lines that a hand-written file may have.
MOST_LINES = 400

T = TypeVar("T", bound=Hashable)
Graph = Mapping[T, Iterable[T]]


class House:
    """The modules of a package and what they import. `imports`: module → modules, by their dotted names inside it."""

    def __init__(self, root: Path = ROOT) -> None:
        self.package = root / "python_backend" / PACKAGE
        self._files = {self._name(file): file for file in sorted(self.package.rglob("*.py"))}
        self.imports = {name: self._imports(name) for name in self._files}
        self.arrows = {
            (self.room(a), self.room(b))
            for a, found in self.imports.items()
            for b in found
            if self.room(a) != self.room(b)
        }
        self.rooms = {self.room(name) for name in self._files}

    def room(self, module: str) -> str:
        folder = self._files[module].parent.relative_to(self.package).as_posix()
        return self._files[module].stem if folder == "." else folder

    def between(self, upper: str, lower: str) -> list[str]:
        """The imports that make an arrow."""
        pairs = ((a, b) for a, found in self.imports.items() for b in found)
        return sorted(f"{a} → {b}" for a, b in pairs if (self.room(a), self.room(b)) == (upper, lower))

    def back_up(self) -> list[tuple[str, str]]:
        """Arrows against the declared order, between rooms that it names."""
        floor = {room: number for number, room in enumerate(ROOMS)}
        return sorted((a, b) for a, b in self.arrows if floor.get(a, len(ROOMS)) < floor.get(b, -1))

    def room_graph(self) -> dict[str, list[str]]:
        return {room: [b for a, b in self.arrows if a == room] for room in self.rooms}

    def _name(self, file: Path) -> str:
        parts = file.relative_to(self.package).with_suffix("").parts
        return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)

    def _imports(self, name: str) -> set[str]:
        file = self._files[name]
        package = name.split(".") if name else []
        if file.name != "__init__.py":
            package = package[:-1]
        found: set[str] = set()
        for node in ast.walk(ast.parse(file.read_text("utf-8"))):
            if isinstance(node, ast.Import):
                inside = [a.name.split(".")[1:] for a in node.names if a.name.split(".")[0] == PACKAGE]
                found.update(".".join(parts) for parts in inside)
            elif isinstance(node, ast.ImportFrom):
                module = node.module.split(".") if node.module else []
                if not node.level:
                    if module[0] != PACKAGE:
                        continue
                    start = module[1:]
                else:
                    start = package[: len(package) - node.level + 1] + module
                for alias in node.names:
                    whole = ".".join([*start, alias.name])
                    found.add(whole if whole in self._files else ".".join(start))
        return found - {name}


def circles(graph: Graph[T]) -> list[list[T]]:
    """Groups that reach each other (Tarjan's strongly connected components of more than one node)."""
    number: dict[T, int] = {}
    low: dict[T, int] = {}
    open_: list[T] = []
    found: list[list[T]] = []

    def visit(node: T) -> None:
        number[node] = low[node] = len(number)
        open_.append(node)
        for other in graph.get(node, ()):
            if other not in number:
                visit(other)
                low[node] = min(low[node], low[other])
            elif other in open_:
                low[node] = min(low[node], number[other])
        if low[node] == number[node]:
            at = open_.index(node)
            if len(open_) - at > 1:
                found.append(open_[at:])
            del open_[at:]

    for node in graph:
        if node not in number:
            visit(node)
    return found


def floors(graph: Graph[T]) -> int:
    """The longest way down, in nodes; a circle is one node."""
    group: dict[T, T] = {node: circle[0] for circle in circles(graph) for node in circle}
    below: dict[T, set[T]] = {}
    for node, others in graph.items():
        at = group.get(node, node)
        below.setdefault(at, set()).update(group.get(other, other) for other in others)
    height: dict[T, int] = {}

    def of(node: T) -> int:
        if node not in height:
            height[node] = 1 + max((of(other) for other in below.get(node, ()) if other != node), default=0)
        return height[node]

    return max(map(of, below), default=0)


def hand_written(root: Path = ROOT) -> dict[str, int]:
    """Python files of the repository, tests and scripts too, and their lines."""
    listed = subprocess.run(
        ["git", "ls-files", "-co", "--exclude-standard", "*.py"], cwd=root, capture_output=True, text=True, check=True
    )
    files = [name for name in listed.stdout.splitlines() if (root / name).is_file()]
    return {name: len((root / name).read_text("utf-8").splitlines()) for name in files}


def main() -> int:
    root = Path(sys.argv[1]).resolve() if sys.argv[1:] else ROOT
    house = House(root)
    of_files = circles(house.imports)
    graph = house.room_graph()
    of_rooms = circles(graph)
    up = house.back_up()
    print(f"Python: {len(house.rooms)} rooms, {floors(graph)} floors, {len(house.arrows)} arrows, {len(up)} back up")
    print(f"circles: {len(of_files)} of files, {len(of_rooms)} of rooms")
    for circle in [*of_files, *of_rooms]:
        print("  " + ", ".join(name or "__init__" for name in circle))
    for upper, lower in up:
        print(f"back up: {upper} → {lower}: {'; '.join(house.between(upper, lower))}")
    print("largest files")
    for name, lines in sorted(hand_written(root).items(), key=lambda item: -item[1])[:8]:
        print(f"  {lines:4d} {name}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
