"""Where prompts are read from, and where their records are written."""

from __future__ import annotations

import json
import sys
from argparse import Namespace
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from lm_transparency import Chat, TransparencyError, read_prompts
from lm_transparency.batch.opening import open_store
from lm_transparency.batch.prompts import has_many
from lm_transparency.cli.chats import as_prompt
from lm_transparency.cli.files import read_prompt
from lm_transparency.cli.front_matter import take_front_matter

SAID = {"model": "m", "threshold": 0.04}


def record(name: str) -> dict:
    return {"id": name, "index": 0, "source": "s", "line": 1, "prompt": "p", "error": None}


def test_files_directories_lines_and_jsonl(tmp_path: Path) -> None:
    folder = tmp_path / "all"
    (folder / "deep").mkdir(parents=True)
    (folder / "a.prompt").write_text("one\nprompt\n")
    (folder / "deep" / "b.chat").write_text("<|user|>\nHello")
    (folder / ".hidden").mkdir()
    (folder / ".hidden" / "c.prompt").write_text("not this")
    (folder / "d.png").write_bytes(b"\x89PNG")
    (folder / "e.prompts").write_text("first\n\n  third\n")
    lines = tmp_path / "lines.csv"
    lines.write_text("x\ny\n")
    jsonl = tmp_path / "f.jsonl"
    jsonl.write_text(
        '{"id": 7, "prompt": "with id"}\n{"prompt": [{"role": "user", "content": "Hi"}]}\nno json\n{"a": 1}\n'
    )
    found = read_prompts([str(folder), str(jsonl), str(folder / "a.prompt")], [str(lines)])
    assert [p.text for p in found[:5]] == ["one\nprompt", "<|user|>\nHello", "first", "  third", "with id"]
    assert [p.line for p in found] == [None, None, 1, 3, 1, 2, 3, 4, 1, 2]
    assert [p.index for p in found] == list(range(10))
    assert found[4].id == "7"
    assert isinstance(found[1].content(), Chat)
    assert isinstance(found[5].content(), Chat)
    assert found[6].error is not None
    assert "f.jsonl:3 is not JSON" in str(found[6].error)
    assert "no `prompt`" in str(found[7].error)
    assert [p.text for p in found[8:]] == ["x", "y"]
    assert [p.id for p in found] == [p.id for p in read_prompts([str(folder), str(jsonl)], [str(lines)])], (
        "ids do not change from run to run"
    )
    assert len({p.id for p in found}) == 10


def test_a_line_that_python_cannot_read_is_an_error_of_its_own(tmp_path: Path) -> None:
    file = tmp_path / "f.jsonl"
    deep, large = "[" * 100_000, "9" * 5_000
    file.write_text(f'{{"prompt": {deep}\n{{"prompt": {large}}}\n["prompt"]\n{{"prompt": "x", "id": 1.5}}\n')
    found = read_prompts([str(file)])
    assert [prompt.error and prompt.error.message.removeprefix(f"{file}:") for prompt in found] == [
        "1 is nested too deeply.",
        "2 has a number that is too long.",
        "3 has no `prompt` that is a text or a list of messages.",
        "4 has an `id` that is neither a text nor a whole number.",
    ]


def test_a_prompt_file_holds_several_prompts_and_settings_for_all_of_them(tmp_path: Path) -> None:
    file, chat, plain = tmp_path / "a.prompt", tmp_path / "b.chat", tmp_path / "c.prompt"
    file.write_text("---\nmodel: m\nthreshold: 0.1\nrenormalize: false\n---\none\n---\n\ntwo\nlines\n", newline="\r\n")
    chat.write_text("<|user|>\nHi\n---\n<|user|>\nBye\n")
    plain.write_text("just one\n")
    found = read_prompts([str(file), str(chat), str(plain)])
    assert [(p.text, p.line, p.chat) for p in found] == [
        ("one", 6, False),
        ("two\nlines", 9, False),
        ("<|user|>\nHi", 1, True),
        ("<|user|>\nBye", 4, True),
        ("just one", None, False),
    ]
    assert has_many(str(file)) and has_many(str(chat)) and not has_many(str(plain))
    given = {"file": [str(file)], "model": "", "special_tokens": None, "threshold": None, "no_renormalize": False}
    asked = Namespace(**given)
    take_front_matter(asked)
    assert (asked.model, asked.special_tokens, asked.threshold, asked.no_renormalize) == ("m", "auto", "0.1", True)
    # options on the command line take precedence
    asked = Namespace(**{**given, "model": "n", "threshold": "auto"})
    take_front_matter(asked)
    assert (asked.model, asked.threshold) == ("n", "auto")
    with pytest.raises(TransparencyError, match=r"c.prompt sets other values than that of .*a.prompt"):
        take_front_matter(Namespace(**{**given, "file": [str(file), str(plain)]}))
    with pytest.raises(TransparencyError, match="holds 2 prompts; one is needed here"):
        read_prompt(str(file))
    plain.write_text("---\nmodel: m\n---\njust one\n")
    assert read_prompt(str(plain)) == "just one"


def test_front_matter_that_is_wrong_stops_the_command_and_is_the_error_of_its_prompts(tmp_path: Path) -> None:
    file = tmp_path / "a.prompt"
    file.write_text("---\nthreshold: 9\n---\none\n")
    with pytest.raises(TransparencyError, match="`threshold` is 9"):
        take_front_matter(Namespace(file=[str(file)], model="", special_tokens=None, threshold=None))
    (prompt,) = read_prompts([str(file)])
    assert prompt.error is not None and "`threshold` is 9" in prompt.error.message
    file.write_text("---\nchat:\n  - {role: system, content: Be brief.}\n---\none\n")
    (prompt,) = read_prompts([str(file)])
    content = prompt.content()
    assert isinstance(content, Chat) and [m.content for m in content.messages] == ["Be brief.", "one"]
    assert isinstance(
        as_prompt(read_prompt(str(file)), Namespace(file=str(file), chat=False, special_tokens="auto")), Chat
    )


def test_a_wrong_request_is_refused_and_an_unreadable_prompt_gets_an_error_of_its_own(tmp_path: Path) -> None:
    with pytest.raises(TransparencyError, match="cannot be found"):
        read_prompts([str(tmp_path / "none")])
    with pytest.raises(TransparencyError, match="holds no prompts"):
        read_prompts([str(tmp_path)])
    (tmp_path / "x.jsonl").write_text('{"id": "a", "prompt": "1"}\n{"id": "a", "prompt": "2"}\n')
    with pytest.raises(TransparencyError, match=r"Two prompts have the id 'a': .*x.jsonl:1 and .*x.jsonl:2"):
        read_prompts([str(tmp_path / "x.jsonl")])
    (tmp_path / "latin.prompt").write_bytes(b"caf\xe9")
    assert "not UTF-8" in str(read_prompts([str(tmp_path / "latin.prompt")])[0].error)


@pytest.mark.parametrize("left", [b"", b'{"id":"b","ind', b'{"id":"b","index":0}', b"\xff\x00"])
def test_half_a_line_at_the_end_is_cut_off(tmp_path: Path, left: bytes) -> None:
    file = tmp_path / "out.jsonl"
    store = open_store(file, "jsonl", SAID)
    store.write(record("a"))
    store.close()
    whole = file.read_bytes()
    file.write_bytes(whole + left)
    again = open_store(file, "jsonl", SAID)
    assert again.done == {"a"}
    again.write(record("b"))
    again.close()
    assert file.read_bytes().startswith(whole)
    assert [json.loads(line)["id"] for line in file.read_text().splitlines()] == ["a", "b"]


def test_what_is_not_ours_is_left_alone(tmp_path: Path) -> None:
    foreign = tmp_path / "data.jsonl"
    foreign.write_text('{"mine": 1}\nhalf a li')
    with pytest.raises(TransparencyError, match="is there already"):
        open_store(foreign, "jsonl", SAID)
    assert foreign.read_text() == '{"mine": 1}\nhalf a li'
    damaged = tmp_path / "damaged.jsonl"
    store = open_store(damaged, "jsonl", SAID)
    store.write(record("a"))
    store.close()
    damaged.write_bytes(b"garbage\n" + damaged.read_bytes())
    with pytest.raises(TransparencyError, match="damaged line after 0 records"):
        open_store(damaged, "jsonl", SAID)
    parts = tmp_path / "parts"
    parts.mkdir()
    (parts / "part-00000.parquet").write_bytes(b"PAR1")
    with pytest.raises(TransparencyError, match="no manifest"):
        open_store(parts, "parquet", SAID)


@pytest.mark.parametrize(("form", "named"), [("jsonl", r"out.records\.jsonl"), ("parquet", "out")])
def test_one_writer_at_a_time_and_the_same_options(tmp_path: Path, form: str, named: str) -> None:
    place = tmp_path / "out"
    store = open_store(place, form, SAID)  # type: ignore[arg-type]
    with pytest.raises(TransparencyError, match="being written by another run"):
        open_store(place, form, SAID)  # type: ignore[arg-type]
    store.write(record("a"))
    store.close()
    with pytest.raises(TransparencyError, match=rf"{named} was begun with other options: threshold 0\.04"):
        open_store(place, form, {**SAID, "threshold": 0.1})  # type: ignore[arg-type]
    assert not [p for p in place.iterdir() if p.suffix in (".lock", ".tmp")]


def test_a_part_that_is_not_listed_counts_and_an_unfinished_one_does_not(tmp_path: Path) -> None:
    """Once killed between a part and its manifest, once while writing a part."""
    store = open_store(tmp_path, "parquet", SAID, save_every_s=0)
    store.write(record("a"))
    manifest = (tmp_path / "_manifest.json").read_bytes()
    store.write(record("b"))
    store.close()
    (tmp_path / "_manifest.json").write_bytes(manifest)
    (tmp_path / ".part-00002.parquet.tmp").write_bytes(b"PAR1 and then nothing")
    again = open_store(tmp_path, "parquet", SAID)
    assert again.done == {"a", "b"}
    again.write(record("c"))
    again.close()
    assert pq.read_table(tmp_path)["id"].to_pylist() == ["a", "b", "c"]
    listed = json.loads((tmp_path / "_manifest.json").read_text())["parts"]
    assert [part["name"] for part in listed] == [f"part-0000{i}.parquet" for i in range(3)]
    assert sorted(p.name for p in tmp_path.iterdir()) == ["_manifest.json", *(part["name"] for part in listed)]


def test_without_pyarrow_the_command_that_installs_it_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    monkeypatch.delitem(sys.modules, "lm_transparency.batch.parquet", raising=False)
    with pytest.raises(TransparencyError, match=r"pip install 'lm-transparency\[parquet\]'"):
        open_store(tmp_path, "parquet", SAID)
