"""Memory is released: a short run of `tests/benchmarks/memory.py`, which `make test-more` runs in full."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from typing import Any

import pytest
from language_client import SERVER, StartClient

BENCHMARK = Path(__file__).resolve().parents[2] / "benchmarks" / "memory.py"


def benchmark() -> Any:
    spec = importlib.util.spec_from_file_location("memory_benchmark", BENCHMARK)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    # dataclasses look up their module by name
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


@pytest.mark.skipif(sys.platform != "linux", reason="only glibc gives memory back when it is asked to")
def test_what_was_unloaded_is_given_back(start: StartClient) -> None:
    memory = benchmark()
    client = start(*SERVER[1:])
    client.initialize()
    client.until_imported()
    found = memory.measure(memory.Work(client), edits=10, analyses=6, cycles=2, say=False)
    # there was memory to release
    assert found["6 analyses"] > 1.5 * found["first unloaded"]
    assert found["unloaded"] <= memory.LIMIT * found["first unloaded"]
    assert found["last unloaded"] <= memory.LIMIT * found["first unloaded"]
