"""Loading over the wire: the numbers of a model that is too large, adapters, and permission to run a model's code."""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path

import pytest
from language_client import Client, Refused

from lm_transparency.errors import TransparencyError
from lm_transparency.model.memory import TooLarge
from lm_transparency.model.options import Loading, ModelChoice
from lm_transparency.protocol.analysis import AnalyzeParams
from lm_transparency.protocol.models import LoadModelParams
from lm_transparency.protocol.wire import read
from lm_transparency.server.compute.failures import REQUEST_FAILED, as_reply


def test_a_model_that_is_too_large_is_reported_with_its_numbers() -> None:
    reply = as_reply(TooLarge("big", "float32", "cpu", 15_200_000_000, 9_100_000_000))
    assert reply.code == REQUEST_FAILED
    assert reply.message == "big needs about 15.2 GB in float32; 9.1 GB are free on cpu."
    assert reply.data["kind"] == "tooLarge"
    assert (reply.data["neededBytes"], reply.data["freeBytes"]) == (15_200_000_000, 9_100_000_000)
    other = as_reply(TransparencyError("modelNotFound", "No."))
    assert (other.data["neededBytes"], other.data["freeBytes"]) == (0, 0)


@pytest.mark.parametrize("cls", [LoadModelParams, AnalyzeParams])
def test_params_take_names_and_nothing_else(cls: type) -> None:
    params = read(cls, {"prompt": "x", "trustRemoteCode": ["org/a"], "anyway": True})
    assert (params.trust_remote_code, params.anyway) == (["org/a"], True)
    bare = read(cls, {"prompt": "x"})
    assert (list(bare.trust_remote_code), bare.anyway) == ([], False)
    for wrong in (True, "org/a", [1], {"org/a": True}):
        with pytest.raises(TransparencyError, match="trustRemoteCode"):
            read(cls, {"prompt": "x", "trustRemoteCode": wrong})


def test_every_way_to_load_a_model_travels() -> None:
    params = read(LoadModelParams, {"source": "org/a", "quantization": "4bit", "base": "org/b", "dtype": "float16"})
    options = params.options()
    assert (options.get("quantization"), options.get("base"), options.get("dtype")) == ("4bit", "org/b", "float16")
    assert {"source", *Loading.__annotations__} == {field.name for field in fields(ModelChoice)}
    assert "source" not in options


@pytest.mark.parametrize(
    "name",
    [
        "$(touch pwned)",
        "`touch pwned`",
        "a; touch pwned",
        "a\ntouch pwned",
        "| touch pwned",
        "--help",
        "../" * 40,
        "a\0b",
    ],
)
def test_a_name_that_is_no_model_is_refused_and_runs_nothing(server: Client, name: str) -> None:
    with pytest.raises(Refused) as refused:
        server.ask("lmTransparency/loadModel", {"source": name, "allowDownload": True})
    assert refused.value.kind in ("modelNotFound", "modelUnusable", "invalidParams")
    assert refused.value.remedy
    assert not Path("pwned").exists()
