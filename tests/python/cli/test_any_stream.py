"""Every command ends in an answer or one sentence, whatever its streams and environment."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
from every_command import every_command
from warm_command import Case, Ended, Warm

Commands = dict[str, tuple[str, ...]]

PROMPT = "Où est → le 日本 de “Zoë”"
#: One of each way of printing.
SOME = ("analyze text", "analyze json", "analyze lines jsonl", "models text", "analyze help text")
#: What reads and stores files by itself. Without a cache each has to check the model once more.
STORING = ("analyze text", "models text")


@pytest.fixture(scope="module")
def commands(tmp_path_factory: pytest.TempPathFactory, tiny_llama_folder: Path) -> Commands:
    return every_command(tmp_path_factory.mktemp("plain"), tiny_llama_folder, PROMPT)


def said(ended: Ended, encoding: str = "utf-8") -> list[str]:
    err = ended.err.decode(encoding)
    assert "Traceback" not in err and "Exception" not in err
    return err.splitlines()


@pytest.mark.parametrize("encoding", ["cp1252", "ascii"])
def test_an_encoding_that_lacks_signs_gets_an_answer(warm: Warm, commands: Commands, encoding: str) -> None:
    for name, arguments in commands.items():
        if encoding == "ascii" and name not in SOME:
            continue
        ended = warm.run(Case(arguments, encoding=encoding))
        assert ended.code == 0, (name, ended.err)
        assert all("prompts" in line for line in said(ended, encoding)), name
        form = name.split()[-1]
        # programs read UTF-8, and where a format can spell it, what any encoding reads
        text = ended.out.decode("ascii" if form in ("json", "run", "svg") else "utf-8" if form != "text" else encoding)
        assert text
        if form in ("json", "run"):
            json.loads(text)
        elif form == "svg":
            ElementTree.fromstring(text)
    text = warm.run(Case(commands["analyze text"], encoding="cp1252")).out.decode("cp1252")
    assert "×" in text and "->" in text and "\\u65e5" in text and "###" in text


@pytest.mark.parametrize(
    ("surroundings", "code", "words"),
    [
        ({"stdout": "closed"}, 2, "Standard output cannot be written: it is closed."),
        ({"stdout": "full"}, 2, "Standard output cannot be written: No space left on device."),
        ({"stdout": "left"}, 141, ""),
        ({"stdout": "left", "stderr": "left"}, 141, ""),
        ({"stdout": "closed", "stderr": "closed", "stdin": None}, 2, ""),
        ({"stdout": "full", "stderr": "full"}, 2, ""),
        ({"stderr": "closed"}, 0, ""),
        ({"stderr": "full"}, 0, ""),
        ({"stdin": None}, 0, ""),
        ({"stdout": "tty", "environment": {"COLUMNS": "1", "LINES": "no number", "TERM": "dumb"}}, 0, ""),
        ({"environment": {"LM_TRANSPARENCY_CACHE": "/dev/null/x"}}, 0, ""),
        ({"environment": {"LM_TRANSPARENCY_CACHE": "~nobody-of-this-name/x"}}, 0, ""),
        ({"environment": {"HOME": "/dev/null"}}, 0, ""),
        ({"nobody": True, "environment": {"HOME": None, "LM_TRANSPARENCY_CACHE": None}}, 0, ""),
    ],
    ids=str,
)
def test_where_it_is_run_changes_no_more_than_it_must(
    surroundings: dict[str, Any], code: int, words: str, warm: Warm, commands: Commands, tmp_path: Path
) -> None:
    without_cache = {"HOME", "LM_TRANSPARENCY_CACHE"} & surroundings.get("environment", {}).keys()
    for name in STORING if without_cache else SOME:
        ended = warm.run(Case(commands[name], **surroundings))
        assert ended.code == code, (name, ended.err)
        lines = [line for line in said(ended) if " prompts" not in line]
        assert [words in line for line in lines] == ([True] if words else []), (name, lines)
        if not code:
            assert ended.out


def test_what_cannot_be_done_there_is_said_in_a_sentence(warm: Warm, commands: Commands) -> None:
    for name in SOME[:-1]:
        ended = warm.run(Case(commands[name], gone=True))
        assert said(ended) == ["lm-transparency: The current directory no longer exists. Change to another one."], name
        assert ended.code == 2
    assert warm.run(Case(commands["analyze help text"], gone=True)).code == 0


def real(shell: str, **environment: str) -> subprocess.CompletedProcess[bytes]:
    """Runs a command line that begins with `python` in a shell."""
    command = shell.replace("python", sys.executable + " -m lm_transparency", 1)
    return subprocess.run(
        ["bash", "-o", "pipefail", "-c", command],
        env={**os.environ, **environment},
        capture_output=True,
        timeout=120,
    )


@pytest.mark.parametrize(
    ("shell", "code", "out", "err"),
    [
        ("python --help >&-", 2, b"", b"it is closed"),
        ("python --help >/dev/full", 2, b"", b"No space left"),
        ("python analyze --help | head -0", 141, b"", b""),
        ("python --version <&- 2>&-", 0, b"lm-transparency ", b""),
        ("python --nonsense >&- 2>&-", 2, b"", b""),
        ("python analyze --text '' 2>/dev/full", 2, b"", b""),
        ("python analyze - <&-", 2, b"", b"- cannot be read: standard input is closed."),
        ("python serve >&-", 2, b"", b"one of them is closed"),
        ("python attach <&-", 2, b"", b"one of them is closed"),
        ("python attach >&-", 2, b"", b"one of them is closed"),
        ("python attach >&- 2>&-", 2, b"", b""),
        ("python analyze --threshold é --text é", 2, b"", b"--threshold is"),
        ("python analyze ~no-such-user.txt", 2, b"", b"~no-such-user.txt cannot be read: No such file"),
    ],
)
def test_python_itself_starts_and_ends_quietly(shell: str, code: int, out: bytes, err: bytes) -> None:
    for surroundings in ({}, {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}):
        ended = real(shell, **surroundings)
        assert ended.returncode == code
        assert out in ended.stdout
        assert err in ended.stderr
        assert len(ended.stderr.splitlines()) == (1 if err else 0), ended.stderr


@pytest.mark.parametrize("name", ["lens json", "models text", "doctor text", "inspect head json"])
def test_what_is_printed_can_be_written_to_a_file_instead(
    name: str, warm: Warm, commands: Commands, tmp_path: Path
) -> None:
    printed = warm.run(Case(commands[name]))
    file = tmp_path / "answer"
    written = warm.run(Case((*commands[name], "--output", str(file)), stdout="full"))
    assert (written.code, written.out) == (printed.code, b"")
    assert file.read_bytes() == printed.out


def test_no_file_that_is_opened_takes_the_place_of_a_closed_stream() -> None:
    code = (
        "import os, sys; from lm_transparency.streams import standard_streams\n"
        "with standard_streams(): sys.exit(os.open(os.devnull, os.O_RDONLY) < 3)"
    )
    ended = subprocess.run(["bash", "-c", f"{sys.executable} -c '{code}' <&- >&- 2>&-"], timeout=60)
    assert ended.returncode == 0
