"""A backend with missing dependencies runs, reports them with a remedy, and answers every request."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from language_client import Refused, StartClient, python_path

_BLOCK_TORCH = """
import sys
class Blocker:
    def find_spec(self, name, path=None, target=None):
        if name == "torch":
            raise ModuleNotFoundError("No module named 'torch'", name="torch")
sys.meta_path.insert(0, Blocker())
"""
_FINE = {"torch": '__version__ = "2.6.0"', "transformers": '__version__ = "5.3.0"', "numba": ""}


@pytest.mark.parametrize(
    ("modules", "says", "remedy"),
    [
        ({"sitecustomize": _BLOCK_TORCH}, "torch is not installed in", "torch>=2.6"),
        (
            {**_FINE, "torch": "raise OSError('libtorch.so: wrong ELF class')"},
            "cannot be imported: libtorch",
            "torch>=2.6",
        ),
        ({**_FINE, "torch": '__version__ = "2.5.1+cu124"'}, "torch 2.5.1.* is refused", "torch>=2.6"),
        ({**_FINE, "torch": ""}, "torch of unknown version is refused", "torch>=2.6"),
        ({**_FINE, "transformers": '__version__ = "5.2.9"'}, "transformers 5.2.9 is refused", "transformers>=5.3"),
        ({**_FINE, "transformers": "import tokenizers_of_old"}, "tokenizers_of_old is not", "install --upgrade"),
        ({**_FINE, "numba": "raise SystemError('NumPy is too new')"}, "numba .* NumPy is too new", "numba"),
    ],
)
def test_a_missing_broken_or_old_package_is_an_error_state_with_a_remedy(
    modules: dict[str, str], says: str, remedy: str, start: StartClient, tmp_path: Path
) -> None:
    client = start("-m", "lm_transparency.server", **python_path(tmp_path, **modules))
    client.initialize()
    early = client.request("lmTransparency/analyze", {"prompt": "The capital of France is"})
    health = client.until_imported()
    assert health["state"] == "error"
    assert re.search(says, health["message"])
    assert "Set Up Backend" in health["remedy"]
    assert remedy in health["remedy"]
    late = client.request("lmTransparency/loadModel", {"workDoneToken": "t"})
    for msg_id in (early, late):
        with pytest.raises(Refused, match=says) as refused:
            client.answer(msg_id)
        assert (refused.value.code, refused.value.kind) == (-32803, "dependencyMissing")
        assert refused.value.remedy == health["remedy"]
    assert client.progress("t")[-1]["kind"] == "end"
    assert client.ask("lmTransparency/health")["state"] == "error"
    assert client.ask("lmTransparency/listModels")["models"]
    assert "Traceback" not in client.stderr()


def test_without_the_package_that_speaks_the_protocol_the_exit_code_and_last_line_say_so(
    start: StartClient, tmp_path: Path
) -> None:
    path = python_path(tmp_path, pygls="raise ModuleNotFoundError('gone', name='pygls')")
    client = start("-m", "lm_transparency.server", **path)
    assert client.process.wait(20) == 3
    assert "pygls cannot be imported" in client.stderr().splitlines()[-1]


def test_a_request_cancelled_during_the_imports_does_not_stop_them(start: StartClient, tmp_path: Path) -> None:
    slow = {**_FINE, "torch": 'import time; time.sleep(2); __version__ = "2.5.0"'}
    client = start("-m", "lm_transparency.server", **python_path(tmp_path, **slow))
    client.initialize()
    msg_id = client.request("lmTransparency/analyze", {"prompt": "a"})
    client.cancel(msg_id)
    with pytest.raises(Refused) as refused:
        client.answer(msg_id)
    assert refused.value.kind == "cancelled"
    assert client.ask("lmTransparency/health")["state"] == "starting"
    assert client.until_imported()["state"] == "error"
