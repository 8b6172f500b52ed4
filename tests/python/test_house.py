"""Imports run down, without circles, and no file is too long. `scripts/house.py` declares the order of rooms."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest
from house import MOST_LINES, ROOMS, House, circles, floors, hand_written

import lm_transparency


@pytest.fixture(scope="module")
def house() -> House:
    return House()


def test_no_circle_of_files_or_rooms(house: House) -> None:
    assert circles(house.imports) == []
    assert circles(house.room_graph()) == []


def test_every_room_has_its_place_and_imports_only_what_is_below(house: House) -> None:
    assert house.rooms <= set(ROOMS), "scripts/house.py declares no place for a room"
    assert {arrow: house.between(*arrow) for arrow in house.back_up()} == {}


def test_no_hand_written_file_is_too_long() -> None:
    found = hand_written()
    assert len(found) > 100
    assert {name: lines for name, lines in found.items() if lines > MOST_LINES} == {}


def test_imports_inside_functions_and_for_types_count(tmp_path: Path) -> None:
    package = tmp_path / "python_backend" / "lm_transparency"
    files = {
        "__init__.py": "",
        "model/__init__.py": "",
        "model/facts.py": "def late():\n    from ..trace import proof\n",
        "trace/__init__.py": "",
        "trace/proof.py": "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from .sums import Sums\n",
        "trace/sums.py": "import lm_transparency.trace.proof\n",
    }
    for name, text in files.items():
        (package / name).parent.mkdir(parents=True, exist_ok=True)
        (package / name).write_text(text)
    house = House(tmp_path)
    assert house.back_up() == [("model", "trace")]
    assert house.between("model", "trace") == ["model.facts → trace.proof"]
    assert [sorted(circle) for circle in circles(house.imports)] == [["trace.proof", "trace.sums"]]


def test_floors_are_the_longest_way_down() -> None:
    assert floors({"a": ["b", "c"], "b": ["c"], "c": []}) == 3
    # a circle is one floor
    assert floors({"a": ["b"], "b": ["a", "c"], "c": []}) == 2


@pytest.mark.parametrize(
    "code",
    [
        "import lm_transparency.protocol, lm_transparency.protocol.wire",
        "from lm_transparency.cli import main; main(['--help'])",
        "from lm_transparency.cli import main; main(['analyze', '--help'])",
        "from lm_transparency.cli import main; main(['analyze', '--top-k', 'many'])",
        "from lm_transparency.cli import main; main(['analyze'])",
        "from lm_transparency.cli import main; main(['inspect', 'node'])",
        "from lm_transparency.cli import main; main(['fly'])",
    ],
)
def test_no_torch_before_it_is_needed(code: str) -> None:
    heavy = "{'torch', 'numpy', 'transformers', 'numba', 'pygls'}"
    code += f"\nimport sys; print('heavy:', sorted({heavy} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout.splitlines()[-1] == "heavy: []"


def test_the_version_is_the_packages() -> None:
    text = (Path(__file__).parents[2] / "pyproject.toml").read_text("utf-8")
    assert f'version = "{lm_transparency.__version__}"' in text


def test_a_test_runs_without_other_tests() -> None:
    tests = Path(__file__).parent.rglob("test_*.py")
    assert [f.name for f in tests if re.search(r"^\s*(from|import) test_", f.read_text("utf-8"), re.MULTILINE)] == []
