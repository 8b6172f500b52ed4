"""A resumed output equals what a fresh run over today's prompts and model would write."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from batch_prompts import texts, write_jsonl
from lm_transparency import LoadedModel, analyze_many, load_model
from lm_transparency.batch import engine
from lm_transparency.batch.prompts import Prompt
from lm_transparency.batch.resuming import Known, resume
from lm_transparency.batch.work import Worker
from lm_transparency.cli import main
from lm_transparency.files.fingerprint import content
from lm_transparency.session.session import Session


def read(place: Path) -> list[dict[str, Any]]:
    """The records of an output, without the fields that differ from run to run."""
    if place.is_dir():
        records = [row for part in sorted(place.glob("part-*.parquet")) for row in pq.read_table(part).to_pylist()]
    else:
        records = [json.loads(line) for line in place.read_text("utf-8").splitlines()]
    return [{name: value for name, value in record.items() if name != "seconds"} for record in records]


@pytest.fixture
def model(tmp_path: Path, tiny_llama_folder: Path) -> Path:
    return Path(shutil.copytree(tiny_llama_folder, tmp_path / "model"))


@pytest.fixture
def analyzed(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The texts that are analysed, in order."""
    seen: list[str] = []
    plain = Worker.analyze

    def noting(self: Worker, prompts: list[Prompt]) -> Any:
        seen.extend(prompt.text for prompt in prompts)
        return plain(self, prompts)

    monkeypatch.setattr(Worker, "analyze", noting)
    monkeypatch.setattr(Session, "load", _loaded_once)
    # one by one: prompts that share a pass round differently
    monkeypatch.setattr(engine, "_PROMPTS", 1)
    return seen


_LOADED: dict[str, LoadedModel] = {}


def _loaded_once(self: Session, source: str = "", **options: Any) -> LoadedModel:
    files = content(Path(source))
    options.pop("watch")
    return _LOADED.setdefault(files, _LOADED.get(files) or load_model(source, **options))


class Runs:
    """One command that is run repeatedly, and compared with a fresh run."""

    def __init__(self, folder: Path, model: Path, form: str, analyzed: list[str], capsys: Any) -> None:
        self.source = folder / "in.jsonl"
        self.place = folder / ("out" if form == "parquet" else "out.jsonl")
        self._folder, self._model, self._form, self._analyzed, self._capsys = folder, model, form, analyzed, capsys
        self._fresh = 0

    def run(self, source: str | None = None) -> tuple[list[str], str]:
        """The texts that were analysed, and the messages."""
        self._analyzed.clear()
        self._capsys.readouterr()
        assert main(self._command(source, self.place)) == 0
        return list(self._analyzed), self._capsys.readouterr().err

    def is_fresh(self, source: str | None = None) -> bool:
        self._fresh += 1
        place = self._folder / f"fresh-{self._fresh}{self.place.suffix}"
        assert main(self._command(source, place)) == 0
        return read(self.place) == read(place)

    def _command(self, source: str | None, place: Path) -> list[str]:
        command = ["analyze", source or str(self.source), "--model", str(self._model), "-o", str(place)]
        return [*command, "--format", self._form, "--device", "cpu"]


@pytest.fixture(params=["jsonl", "parquet"])
def runs(
    request: pytest.FixtureRequest, tmp_path: Path, model: Path, analyzed: list[str], capsys: pytest.CaptureFixture[str]
) -> Runs:
    made = Runs(tmp_path, model, request.param, analyzed, capsys)
    write_jsonl(made.source, texts(5))
    assert made.run()[0] == texts(5)
    return made


def replaced(runs: Runs) -> list[str]:
    beside = runs.place / "_replaced.jsonl" if runs.place.is_dir() else Path(f"{runs.place}.replaced.jsonl")
    return [json.loads(line)["prompt"] for line in beside.read_text("utf-8").splitlines()] if beside.exists() else []


def test_nothing_changed_is_nothing_done(runs: Runs) -> None:
    before = [(file.name, file.read_bytes()) for file in sorted(runs.place.parent.rglob("*.parquet"))]
    ran, said = runs.run()
    assert ran == [] and "5/5 prompts" in said and "no longer" not in said
    assert before == [(file.name, file.read_bytes()) for file in sorted(runs.place.parent.rglob("*.parquet"))]
    assert replaced(runs) == [] and runs.is_fresh()


def test_a_prompt_that_was_edited_under_its_id_is_analysed_again(runs: Runs) -> None:
    edited = texts(5)
    edited[1], edited[3] = "another text", "a third one"
    write_jsonl(runs.source, edited)
    ran, said = runs.run()
    assert ran == ["another text", "a third one"]
    assert "Records that no longer hold: 2 prompts were edited. They are now in" in said
    assert runs.is_fresh() and replaced(runs) == [texts(5)[1], texts(5)[3]]


def test_prompts_in_another_order_gone_and_new_ones(runs: Runs) -> None:
    old = texts(5)
    lines = [json.dumps({"id": f"p{i}", "prompt": text}) for i, text in ((3, old[3]), (9, "new"), (0, old[0]))]
    runs.source.write_text("\n".join(lines) + "\n")
    ran, said = runs.run()
    assert ran == ["new"] and "3 prompts are no longer there" in said
    assert [record["id"] for record in read(runs.place)] == ["p3", "p9", "p0"]
    assert runs.is_fresh() and sorted(replaced(runs)) == sorted([old[1], old[2], old[4]])


def test_a_line_at_the_top_and_another_spelling_of_the_path_analyse_nothing_twice(
    runs: Runs, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The ids of prompts without their own contain their place."""
    plain = runs.source.with_name("plain.prompts")
    plain.write_text("one\ntwo\ntwo\n")
    assert runs.run(str(plain))[0] == ["one", "two", "two"]
    plain.write_text("zero\none\ntwo\ntwo\n")
    assert runs.run(str(plain))[0] == ["zero"]
    assert runs.is_fresh(str(plain))
    assert [record["line"] for record in read(runs.place)] == [1, 2, 3, 4]
    monkeypatch.chdir(plain.parent)
    assert runs.run("./plain.prompts")[0] == []
    assert runs.is_fresh("./plain.prompts")
    assert {record["source"] for record in read(runs.place)} == {"./plain.prompts"}


@pytest.mark.parametrize("part", ["weights", "tokenizer", "config.json", "chat_template.jinja"])
def test_a_model_that_was_overwritten_answers_again(runs: Runs, model: Path, part: str) -> None:
    if part == "weights":
        # like a training run that overwrites its last checkpoint: same names, sizes and shapes
        weights = bytearray((model / "model.safetensors").read_bytes())
        weights[-4:] = bytes(4)
        (model / "model.safetensors").write_bytes(weights)
    elif part == "tokenizer":
        text = (model / "tokenizer.json").read_text("utf-8")
        (model / "tokenizer.json").write_text(text.replace('"add_prefix_space": false', '"add_prefix_space": true'))
        assert text != (model / "tokenizer.json").read_text("utf-8")
    elif part == "config.json":
        config = json.loads((model / part).read_text("utf-8"))
        (model / part).write_text(json.dumps({**config, "rms_norm_eps": 0.01}))
    else:
        (model / part).write_text("{{ messages }}")
    ran, said = runs.run()
    assert ran == texts(5) and "5 came from other model files" in said
    assert runs.is_fresh() and len(replaced(runs)) == 5


def test_a_model_in_memory_is_of_the_files_that_it_was_loaded_from(
    model: Path, tmp_path: Path, analyzed: list[str]
) -> None:
    place = tmp_path / "out.jsonl"
    before = load_model(str(model), dtype="float32", device="cpu")
    weights = bytearray((model / "model.safetensors").read_bytes())
    weights[-4:] = bytes(4)
    (model / "model.safetensors").write_bytes(weights)
    list(analyze_many(before, ["a"], output=place))
    assert analyzed == ["a"] and not list(analyze_many(before, ["a"], output=place))
    after = load_model(str(model), dtype="float32", device="cpu")
    assert len(list(analyze_many(after, ["a"], output=place))) == 1
    assert analyzed == ["a", "a"] and len(read(place)) == 1


def test_a_copy_of_the_model_and_a_touched_one_are_the_same(runs: Runs, model: Path, tmp_path: Path) -> None:
    for file in model.iterdir():
        os.utime(file)
    assert runs.run()[0] == []
    model.rename(tmp_path / "moved")
    model.symlink_to(tmp_path / "moved")
    assert runs.run()[0] == []


def test_records_of_an_earlier_version_are_resumed(runs: Runs) -> None:
    """They have no fingerprints: texts are compared, and a notice says that the model is unknown."""
    if runs.place.is_dir():
        for part in runs.place.glob("*.parquet"):
            pq.write_table(pq.read_table(part).drop_columns(["fingerprints"]), part)
    else:
        old = [{**record, "seconds": 1.0} for record in read(runs.place)]
        for record in old:
            del record["fingerprints"]
        runs.place.write_text("".join(json.dumps(record) + "\n" for record in old))
    edited = texts(6)
    edited[2] = "edited"
    write_jsonl(runs.source, edited)
    ran, said = runs.run()
    assert ran == ["edited", edited[5]]
    assert "1 prompt was edited" in said and "4 kept from an earlier version do not say which model files" in said
    assert [record["prompt"] for record in read(runs.place)] == edited


def test_what_is_begun_and_out_of_order_is_in_order_at_last(
    tiny_llama: LoadedModel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for form, place in (("jsonl", tmp_path / "out.jsonl"), ("parquet", tmp_path / "out")):
        with monkeypatch.context() as patched:
            plain = Worker.analyze
            patched.setattr(Worker, "analyze", lambda self, prompts, plain=plain: reversed(list(plain(self, prompts))))
            some = analyze_many(tiny_llama, texts(6), output=place, form=form)  # type: ignore[arg-type]
            taken = [next(some)["index"], next(some)["index"]]
            some.close()
            assert taken == [5, 4] and [record["index"] for record in read(place)] == taken
            list(analyze_many(tiny_llama, texts(6), output=place, form=form))  # type: ignore[arg-type]
        assert [record["index"] for record in read(place)] == list(range(6))


def test_a_kill_between_old_parts_and_new_ones_loses_and_doubles_nothing(
    tiny_llama: LoadedModel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from lm_transparency.batch.parquet import ParquetStore

    place = tmp_path / "out"
    list(analyze_many(tiny_llama, texts(4), output=place, form="parquet"))
    wanted = [texts(4)[i] for i in (3, 1, 0)]

    def killed(*_: Any) -> None:
        raise KeyboardInterrupt

    original = ParquetStore._swap
    for step in ("before", "within"):
        with monkeypatch.context() as patched:
            if step == "before":
                patched.setattr(ParquetStore, "_swap", killed)
            else:
                patched.setattr(Path, "replace", killed)
            with pytest.raises(KeyboardInterrupt):
                list(analyze_many(tiny_llama, wanted, output=place, form="parquet"))
        assert ParquetStore._swap is original
        assert not list(analyze_many(tiny_llama, wanted, output=place, form="parquet"))
        assert [record["prompt"] for record in read(place)] == wanted
        wanted = wanted[::-1]


@pytest.mark.parametrize("swap", [3, {}, {"gone": ["../victim"], "come": []}, {"gone": [], "come": ["/etc/x"]}])
def test_a_manifest_cannot_name_files_elsewhere(swap: Any, tiny_llama: LoadedModel, tmp_path: Path) -> None:
    victim = tmp_path / "victim"
    victim.write_text("kept")
    place = tmp_path / "out"
    list(analyze_many(tiny_llama, ["a"], output=place, form="parquet"))
    manifest = json.loads((place / "_manifest.json").read_text())
    (place / "_manifest.json").write_text(json.dumps({**manifest, "swap": swap}))
    with pytest.raises(Exception, match="not a manifest that this version can read"):
        list(analyze_many(tiny_llama, ["a"], output=place, form="parquet"))
    assert victim.read_text() == "kept" and list(place.glob("part-*"))


def test_the_same_model_by_another_path_is_the_same(
    model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, analyzed: list[str]
) -> None:
    source = write_jsonl(tmp_path / "in.jsonl", ["a"])
    monkeypatch.chdir(tmp_path)
    for spelt, ran in ((str(model), ["a"]), ("./model", []), ("model/", [])):
        analyzed.clear()
        assert main(["analyze", str(source), "--model", spelt, "-o", str(tmp_path / "out.jsonl"), "--quiet"]) == 0
        assert analyzed == ran
    shutil.copytree(model, tmp_path / "other")
    assert main(["analyze", str(source), "--model", "other", "-o", str(tmp_path / "out.jsonl"), "--quiet"]) == 2


def known(name: str, prompt: Prompt) -> Known:
    return Known({"id": name, "index": 0, "source": "", "line": None}, prompt.fingerprint, "m", None, None)


def test_many_equal_prompts_are_matched_quickly() -> None:
    prompts = [Prompt(f"new{i}", i, "", i, "the same") for i in range(20_000)]
    records = [known(f"old{i}", prompts[0]) for i in range(19_000)]
    resumed = resume(records, prompts, "m")
    assert len({number for number, _ in resumed.kept}) == 19_000 and len(resumed.kept) == 20_000
    assert not resumed.out and not resumed.left


def test_a_text_and_a_chat_of_the_same_letters_are_two_prompts() -> None:
    text, chat = (Prompt("a", 0, "", 1, "<|user|>\nHi", chat) for chat in (False, True))
    assert resume([known("a", text)], [chat], "m").left == [chat]
    assert resume([known("a", text)], [text], "other").left == [text]
    assert resume([known("a", text)], [text], "").left == []
