"""`lens fit`: a fit that is stopped, resumed and merged is that of one run, and `lens` reads it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

import lm_transparency.lens.fits as fits
from lm_transparency.cli import main
from lm_transparency.lens.files import n_fitted

Run = Any
SHORT = ("--tokens", "12", "--skip", "2", "--batch", "48")


@pytest.fixture
def by(tiny_llama_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[str, ...]:
    # the model's own cache stays apart from what is fitted here
    monkeypatch.setattr("lm_transparency.lens.places.cache_directory", lambda: tmp_path / "cache")
    return ("--model", str(tiny_llama_folder), "--dtype", "float32", "--device", "cpu")


def same(one: Path, other: Path) -> bool:
    found, wanted = load_file(one), load_file(other)
    return found.keys() == wanted.keys() and all(
        torch.allclose(found[name], wanted[name], rtol=1e-4, atol=1e-5) for name in found
    )


def test_a_fit_goes_on_where_it_was_stopped(
    by: tuple[str, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    whole, parts = tmp_path / "whole.safetensors", tmp_path / "parts.safetensors"
    assert main(["lens", "fit", *by, *SHORT, "--sequences", "4", "-o", str(whole)]) == 0
    said = capsys.readouterr().err
    assert "fitted on 4 sequences, standard error at most" in said and "% of the top tokens would still change" in said
    once = fits.add_sequence

    def stopped(total: Any, *rest: Any, **options: Any) -> Any:
        if total.n_sequences:
            raise KeyboardInterrupt
        return once(total, *rest, **options)

    monkeypatch.setattr(fits, "add_sequence", stopped)
    assert main(["lens", "fit", *by, *SHORT, "--sequences", "4", "-o", str(parts)]) == 130
    assert "Stopped: 1 sequence is kept; go on with --resume." in capsys.readouterr().err
    monkeypatch.setattr(fits, "add_sequence", once)
    assert main(["lens", "fit", *by, *SHORT, "--sequences", "4", "--resume", "-o", str(parts)]) == 0
    assert same(parts, whole)
    assert main(["lens", "fit", *by, "--tokens", "14", "--resume", "-o", str(parts)]) == 2
    assert "was fitted with other settings" in capsys.readouterr().err


def test_parts_of_several_machines_merge_to_one(by: tuple[str, ...], tmp_path: Path) -> None:
    whole, one, two, both = (tmp_path / f"{name}.safetensors" for name in ("whole", "one", "two", "both"))
    for file, first, n in ((whole, "0", "3"), (one, "0", "2"), (two, "2", "1")):
        assert main(["lens", "fit", *by, *SHORT, "--first", first, "--sequences", n, "-o", str(file)]) == 0
    assert main(["lens", "fit", *by, *SHORT, "--merge", str(one), str(two), "-o", str(both)]) == 0
    assert same(both, whole)
    assert main(["lens", "fit", *by, *SHORT, "--merge", str(one), str(one), "-o", str(both)]) == 2


def test_the_fitted_lens_is_read_by_name_and_by_path(
    by: tuple[str, ...], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    prompt, text = tmp_path / "a.prompt", tmp_path / "text.txt"
    prompt.write_text("hello there")
    text.write_text("It was the best of times, it was the worst of times. " * 5)
    read = ["lens", str(prompt), *by, "--format", "json"]
    assert main([*read, "--lens", "jacobian"]) == 2
    assert "No Jacobian lens of this model is here. Fit one: lm-transparency lens fit." in capsys.readouterr().err
    assert main(["lens", "fit", *by, *SHORT, "--texts", str(text), "--sequences", "2"]) == 0
    (kept,) = (tmp_path / "cache" / "lenses").iterdir()
    capsys.readouterr()
    found: list[Any] = []
    for name in ("logit", "jacobian", str(kept)):
        assert main([*read, "--lens", name]) == 0
        found.append(json.loads(capsys.readouterr().out))
    plain, own, by_path = found
    assert plain["lens"] == "logit" and own["lens"] == "jacobian"
    assert own["rows"] == by_path["rows"] and own["rows"][1] != plain["rows"][1]
    # the last layer is what the model says, with any lens
    assert own["rows"][-1] == plain["rows"][-1]
    assert main(["lens", "fit", *by, *SHORT, "--texts", str(text), "--sequences", "99"]) == 2
    assert "pieces of 12 tokens, not 99" in capsys.readouterr().err


def test_a_tuned_lens_is_fitted_stopped_resumed_merged_and_read(
    by: tuple[str, ...], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    whole, part, rest, both = (tmp_path / f"{name}.safetensors" for name in ("whole", "part", "rest", "both"))
    fit = ["lens", "fit", "--kind", "tuned", *by, *SHORT]
    for file, options in ((whole, ["--sequences", "12"]), (part, ["--sequences", "8"])):
        assert main([*fit, *options, "-o", str(file)]) == 0
    assert main([*fit, "--first", "8", "--sequences", "4", "-o", str(rest)]) == 0
    assert main([*fit, "--merge", str(part), str(rest), "-o", str(both)]) == 0
    assert same(both, whole)
    assert main([*fit, "--sequences", "12", "--resume", "-o", str(part)]) == 0
    assert same(part, whole)
    jacobian = ["lens", "fit", *by, *SHORT, "--resume", "--sequences", "1", "-o", str(part)]
    assert main(jacobian) == 2 and "was fitted with other settings" in capsys.readouterr().err
    prompt = tmp_path / "a.prompt"
    prompt.write_text("hello there")
    read = ["lens", str(prompt), *by, "--format", "json", "--lens"]
    assert main([*read, "tuned"]) == 2
    assert "No tuned lens of this model is here. Fit one: lm-transparency lens fit --kind tuned." in (
        capsys.readouterr().err
    )
    assert main([*fit, "--sequences", "12"]) == 0
    capsys.readouterr()
    found: list[Any] = []
    for name in ("tuned", str(whole), "logit"):
        assert main([*read, name]) == 0
        found.append(json.loads(capsys.readouterr().out)["rows"])
    assert found[0] == found[1] and found[0][1] != found[2][1] and found[0][-1] == found[2][-1]


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--sequences", "0"], "--sequences is 0. It takes 1 or more."),
        (["-o", "lens.pt"], "Name a file that ends in .safetensors."),
        (["--tokens", "5", "--skip", "5"], "the first 5 are left out"),
        (["--sequences", "600000000000"], "--sequences is 600000000000. It takes up to 100,000."),
        (["--first", "99999999999999999999"], "--first is 99999999999999999999. It takes up to"),
        (["--seed", "99999999999999999999"], "--seed is 99999999999999999999. It takes up to"),
        (["--tokens", "5000", "--sequences", "1"], "tiny-llama reads at most 256. Use --tokens 256 or fewer."),
        (["--merge", "none.safetensors"], "none.safetensors cannot be read as a lens: No such file or directory."),
    ],
)
def test_wrong_options_are_a_sentence(
    options: list[str], words: str, by: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["lens", "fit", *by, *options]) == 2
    assert words in capsys.readouterr().err


def test_a_home_is_meant_by_a_tilde(by: tuple[str, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("USERPROFILE", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path)
    for options in (["--sequences", "2"], ["--sequences", "1", "--resume"], ["--merge", "~/lenses/a.safetensors"]):
        # a shell leaves the tilde of --output=~ alone
        assert main(["lens", "fit", *by, *SHORT, *options, "--output=~/lenses/a.safetensors"]) == 0
    file = tmp_path / "home" / "lenses" / "a.safetensors"
    assert n_fitted(file) == 2
    assert not (tmp_path / "~").exists()
