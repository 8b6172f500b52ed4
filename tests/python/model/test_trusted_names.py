"""C1: trust in a hub name never extends to a folder of that name, nor trust in one folder to another."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest
from hostile_models import change_config

from lm_transparency import Session, TransparencyError, load_model

_CODE = """
import pathlib
from transformers import LlamaConfig, LlamaForCausalLM
pathlib.Path({trap!r}).touch()


class OwnConfig(LlamaConfig):
    model_type = "own"


class OwnForCausalLM(LlamaForCausalLM):
    config_class = OwnConfig
"""


@pytest.fixture
def trap(tmp_path: Path) -> Path:
    """A file that exists once the code of a model ran."""
    return tmp_path / "trap"


@pytest.fixture
def work(tmp_path: Path, copy: Path, trap: Path, no_hub: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working directory, whose folder org/name holds a model with its own code."""
    import transformers.dynamic_module_utils as dynamic

    monkeypatch.setattr(dynamic, "HF_MODULES_CACHE", str(tmp_path / "modules"))
    no_hub.mkdir()
    own = {"AutoConfig": "modeling_own.OwnConfig", "AutoModelForCausalLM": "modeling_own.OwnForCausalLM"}
    change_config(copy, model_type="own", auto_map=own)
    (copy / "modeling_own.py").write_text(_CODE.format(trap=str(trap)))
    folder = tmp_path / "work" / "org" / "name"
    shutil.copytree(copy, folder)
    monkeypatch.chdir(tmp_path / "work")
    return tmp_path / "work"


def refused(trap: Path, source: str, named: list[str], **options: Any) -> None:
    with pytest.raises(TransparencyError) as caught:
        load_model(source, trust_remote_code=named, **options)
    assert not trap.exists(), "its code ran"
    assert caught.value.remedy


@pytest.mark.parametrize("source", ["org/name", "./org/name", "org/name/", "org/../org/name", "org//name"])
@pytest.mark.parametrize(
    "named", [["org/name"], ["./org/name"], ["org/name/"], ["Org/Name"], ["name"], ["org/name@main"]]
)
def test_a_folder_is_not_trusted_by_a_name(work: Path, trap: Path, source: str, named: list[str]) -> None:
    refused(trap, source, named)


@pytest.mark.usefixtures("work")
def test_the_environment_trusts_no_folder_by_a_name_either(trap: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LM_TRANSPARENCY_TRUST_REMOTE_CODE", "org/name")
    refused(trap, "org/name", [])


def test_a_folder_is_trusted_by_its_absolute_path_however_it_is_named(work: Path, trap: Path, tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(work / "org")
    for source, name in (("org/name", work / "org/name"), (str(tmp_path / "link/name"), work / "org/name")):
        assert load_model(source, trust_remote_code=[str(name)]).architecture == "OwnForCausalLM"
    assert load_model("org/name", trust_remote_code=[str(tmp_path / "link" / "name")])
    assert trap.exists()


def test_a_link_that_leads_elsewhere_is_another_folder(work: Path, trap: Path, tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    (work / "mine").symlink_to(work / "org/name")
    refused(trap, "mine", [str(tmp_path / "mine")])


def test_a_session_does_not_hand_out_a_model_that_was_loaded_with_more_trust(work: Path, trap: Path) -> None:
    session = Session()
    session.load("org/name", trust_remote_code=[str(work / "org/name")])
    with pytest.raises(TransparencyError, match="needs to run its own code"):
        session.load("org/name", trust_remote_code=["org/name"])


def test_the_base_of_an_adapter_is_trusted_no_further(work: Path, trap: Path, tmp_path: Path) -> None:
    adapter = tmp_path / "adapter"
    adapter.mkdir()
    (adapter / "adapter_config.json").write_text('{"peft_type": "LORA", "base_model_name_or_path": "org/name"}')
    (adapter / "adapter_model.safetensors").write_bytes(b"")
    refused(trap, str(adapter), ["org/name"])
    # nor a folder below the adapter
    shutil.copytree(work / "org", adapter / "org")
    refused(trap, str(adapter), ["org/name"])


def test_the_code_of_another_repository_is_not_taken_from_a_folder(work: Path, trap: Path, tmp_path: Path) -> None:
    (work / "other").mkdir()
    shutil.copy(work / "org/name/modeling_own.py", work / "other")
    own = {"AutoConfig": "other--modeling_own.OwnConfig", "AutoModelForCausalLM": "other--modeling_own.OwnForCausalLM"}
    change_config(work / "org/name", auto_map=own)
    refused(trap, "org/name", [str(work / "org/name"), "other"])


def test_a_cached_model_is_trusted_by_its_exact_name_and_no_folder_of_that_name(
    work: Path, trap: Path, no_hub: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import huggingface_hub.constants as constants

    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(no_hub))
    place = no_hub / "models--org--name"
    shutil.move(work / "org/name", place / "snapshots" / ("1" * 40))
    (place / "refs").mkdir()
    (place / "refs" / "main").write_text("1" * 40)
    for named in (["Org/name"], ["org/name@main"], [str(work / "org/name")], ["name"]):
        refused(trap, "org/name", named)
    assert load_model("org/name", trust_remote_code=["org/name"]).architecture == "OwnForCausalLM"
    assert trap.exists()
