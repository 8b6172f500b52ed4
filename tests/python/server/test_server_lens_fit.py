"""A lens that is fitted over the wire: estimated, told of as it comes, behind whatever is asked, and resumed."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from language_client import Client, Refused

from lm_transparency.cli import main
from lm_transparency.lens.files import settings_of

FIT, ESTIMATE, ANALYZE, LENSES = (f"lmTransparency/{name}" for name in ("fitLens", "estimateFit", "analyze", "lenses"))


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(scope="module")
def fitter(cache: Path) -> Iterator[Client]:
    client = Client(LM_TRANSPARENCY_CACHE=str(cache))
    client.initialize()
    yield client
    client.end()


def told(client: Client, token: str) -> list[int]:
    return [value["sequences"] for value in client.progress(token)]


def lenses(client: Client, source: str) -> dict[str, Any]:
    run = client.ask(ANALYZE, {"prompt": "one two", "source": source})["runId"]
    return client.ask(LENSES, {"runId": run})


def test_a_fit_is_measured_told_of_and_used_from_its_first_sequence_on(fitter: Client, tiny_llama_folder: Path) -> None:
    source = str(tiny_llama_folder)
    found = fitter.ask(ESTIMATE, {"source": source})
    assert found["fitted"] == 0 and 0 < found["sequenceSeconds"] < 8
    assert lenses(fitter, source)["names"] == ["logit"]
    asked = {"source": source, "sequences": 8, "workDoneToken": "p", "partialResultToken": "r"}
    assert fitter.ask(FIT, asked)["sequences"] == 8
    assert told(fitter, "r") == list(range(1, 9))
    kinds = [value["kind"] for value in fitter.progress("p")]
    assert (kinds[0], kinds[-1]) == ("begin", "end")
    assert lenses(fitter, source) == {"names": ["logit", "jacobian"], "sequences": 8}
    # what is there is not fitted again
    assert fitter.ask(FIT, {"source": source, "sequences": 8, "partialResultToken": "again"})["sequences"] == 8
    assert told(fitter, "again") == [] and fitter.ask(ESTIMATE, {"source": source})["fitted"] == 8


def test_a_fit_gives_way_stops_and_goes_on(fitter: Client, tiny_llama_folder: Path) -> None:
    source = str(tiny_llama_folder)
    before = lenses(fitter, source)["sequences"]
    fit = fitter.request(FIT, {"source": source, "sequences": 512, "workDoneToken": "w", "partialResultToken": "first"})
    fitter.wait_for(lambda m: m.get("method") == "$/progress" and m["params"]["token"] == "first")
    # questions are answered while it goes on
    for _ in range(3):
        assert lenses(fitter, source)["names"] == ["logit", "jacobian"]
    assert not fitter.answers(fit)
    fitter.cancel(fit)
    with pytest.raises(Refused) as stopped:
        fitter.answer(fit)
    assert stopped.value.code == -32800
    kept = lenses(fitter, source)["sequences"]
    assert before < kept < 512
    # the newest request for a model has its fit
    older = fitter.request(FIT, {"source": source, "sequences": 512, "workDoneToken": "older"})
    fitter.wait_for(lambda m: m.get("method") == "$/progress" and m["params"]["token"] == "older")
    asked = {"source": source, "sequences": kept + 2, "partialResultToken": "rest"}
    assert fitter.ask(FIT, asked)["sequences"] >= kept + 2
    with pytest.raises(Refused):
        fitter.answer(older)


def test_a_lens_that_the_command_line_fitted_goes_on_by_its_settings(
    fitter: Client, cache: Path, tiny_gpt2_folder: Path, tmp_path: Path
) -> None:
    source = str(tiny_gpt2_folder)
    others = set(cache.glob("lenses/*"))
    assert fitter.ask(FIT, {"source": source, "sequences": 1})["sequences"] == 1
    (kept,) = set(cache.glob("lenses/*")) - others
    text = tmp_path / "text.txt"
    text.write_text("It was the best of times, it was the worst of times. " * 5)
    fit = ["lens", "fit", "--model", source, "--tokens", "12", "--skip", "2", "--sequences", "2", "-o", str(kept)]
    # what may have taken hours is not replaced unasked
    assert main(fit) == 2 and kept.exists()
    kept.unlink()
    assert main(fit) == 0
    assert fitter.ask(FIT, {"source": source, "sequences": 3})["sequences"] == 3
    assert settings_of(kept) == {"tokens": 12, "skip": 2, "seed": 0}
    spoil: dict[str, Callable[[], Any]] = {
        "was fitted on texts": lambda: main([*fit, "--texts", str(text)]),
        "it is damaged": lambda: kept.write_bytes(b"{"),
    }
    for words, change in spoil.items():
        kept.unlink()
        change()
        for method in (ESTIMATE, FIT):
            with pytest.raises(Refused, match=words) as refused:
                fitter.ask(method, {"source": source})
            assert refused.value.remedy == f"Remove {kept} to fit the lens from the beginning."


def test_what_cannot_be_fitted_is_said(fitter: Client, tiny_llama_folder: Path) -> None:
    with pytest.raises(Refused, match="sequences is 0"):
        fitter.ask(FIT, {"source": str(tiny_llama_folder), "sequences": 0})
    with pytest.raises(Refused):
        fitter.ask(FIT, {"source": "/nowhere"})
