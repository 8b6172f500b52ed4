"""Where a file is written: through links, to pipes and devices, in odd folders, and on a full disk."""

from __future__ import annotations

import errno
import os
import stat
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO, Any

import pytest

from lm_transparency.errors import TransparencyError
from lm_transparency.files import writing
from lm_transparency.files.writing import replace_file, write_atomically


def say(text: str) -> Callable[[IO[bytes]], Any]:
    return lambda file: file.write(text.encode())


def test_a_file_is_made_with_the_usual_mode_and_replaced_with_its_own(tmp_path: Path) -> None:
    file = tmp_path / "out.json"
    before = os.umask(0o027)
    try:
        write_atomically(file, say("first"))
        assert stat.S_IMODE(file.stat().st_mode) == 0o640
        file.chmod(0o604)
        write_atomically(file, say("second"))
    finally:
        os.umask(before)
    assert file.read_text() == "second" and stat.S_IMODE(file.stat().st_mode) == 0o604
    assert [f.name for f in tmp_path.iterdir()] == ["out.json"]


@pytest.mark.parametrize("dangling", [False, True])
def test_links_stay_and_what_they_point_to_is_written(tmp_path: Path, dangling: bool) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "links").mkdir()
    target = tmp_path / "real" / "out.json"
    if not dangling:
        target.write_text("old")
    between, link = tmp_path / "links" / "between", tmp_path / "links" / "out"
    between.symlink_to(Path("..") / "real" / "out.json")
    link.symlink_to("between")
    write_atomically(link, say("new"))
    assert link.is_symlink() and between.is_symlink()
    assert target.read_text() == "new" and not target.is_symlink()
    assert [f.name for f in target.parent.iterdir()] == ["out.json"]


def test_a_pipe_is_written_in_place(tmp_path: Path) -> None:
    pipe, got = tmp_path / "pipe", list[bytes]()
    os.mkfifo(pipe)
    reader = threading.Thread(target=lambda: got.append(pipe.read_bytes()))
    reader.start()
    write_atomically(pipe, say("through"))
    reader.join(10)
    assert got == [b"through"] and stat.S_ISFIFO(pipe.stat().st_mode)


def test_devices_and_descriptors_are_written_in_place(tmp_path: Path) -> None:
    # our own terminal: a failure here would destroy a device of the machine for everybody
    terminal, other = os.openpty()
    device, link = Path(os.ttyname(other)), tmp_path / "terminal"
    link.symlink_to(device)
    for place in (device, link):
        write_atomically(place, say("said\n"))
        assert os.read(terminal, 100) == b"said\r\n"
    assert link.is_symlink() and stat.S_ISCHR(device.stat().st_mode)
    os.close(other)
    os.close(terminal)
    script = (
        "import sys; from pathlib import Path; from lm_transparency.files.writing import write_atomically;"
        "write_atomically(Path(sys.argv[1]), lambda file: file.write(b'said\\n'))"
    )
    # like /dev/stdout
    standard = tmp_path / "stdout"
    standard.symlink_to("/proc/self/fd/1")
    for place in (str(standard), "/dev/fd/1", "/proc/self/fd/1"):
        ran = subprocess.run([sys.executable, "-c", script, place], capture_output=True, check=True)
        assert ran.stdout == b"said\n"
        # appended, as a shell's redirection would do
        (tmp_path / "log").write_text("before\n")
        with (tmp_path / "log").open("ab") as log:
            subprocess.run([sys.executable, "-c", script, place], stdout=log, check=True)
        assert (tmp_path / "log").read_text() == "before\nsaid\n"
    shell = f'"{sys.executable}" -c "{script}" >(cat > "{tmp_path}/substituted"); wait $!'
    subprocess.run(["bash", "-c", shell], check=True)
    assert (tmp_path / "substituted").read_text() == "said\n"


def test_names_of_one_file_stay_together(tmp_path: Path) -> None:
    first, second = tmp_path / "a", tmp_path / "b"
    first.write_text("a longer text than the next")
    os.link(first, second)
    write_atomically(first, say("short"))
    assert second.read_text() == "short" and first.samefile(second)


def test_a_file_that_cannot_be_replaced_is_written_in_place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Such a file is in a folder that takes no new files, or is a mount of its own."""
    file = tmp_path / "out"
    file.write_text("a longer text than the next")
    inode = file.stat().st_ino
    original = os.open

    def no_new_file(path: Any, flags: int, *rest: Any, **named: Any) -> int:
        if flags & os.O_CREAT:
            raise PermissionError(errno.EACCES, "Permission denied")
        return original(path, flags, *rest, **named)

    with monkeypatch.context() as patched:
        patched.setattr(os, "open", no_new_file)
        write_atomically(file, say("short"))
        with pytest.raises(TransparencyError, match="cannot be written: Permission denied"):
            write_atomically(tmp_path / "new", say("x"))
    assert file.read_text() == "short" and file.stat().st_ino == inode

    def busy(*_: Any) -> None:
        raise OSError(errno.EBUSY, "Device or resource busy")

    with monkeypatch.context() as patched:
        patched.setattr(os, "replace", busy)
        write_atomically(file, say("mounted"))
    assert file.read_text() == "mounted" and [f.name for f in tmp_path.iterdir()] == ["out"]


def test_a_file_that_may_not_be_written_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "out"
    file.write_text("kept")
    file.chmod(0o444)
    # root may write everything
    monkeypatch.setattr(os, "access", lambda *_: False)
    with pytest.raises(TransparencyError, match="Permission denied"):
        write_atomically(file, say("new"))
    assert file.read_text() == "kept"


@pytest.fixture
def full_device() -> Iterator[int]:
    handle = os.open("/dev/full", os.O_WRONLY)
    yield handle
    os.close(handle)


@pytest.mark.parametrize("at", ["write", "fsync", "close", "device", "in place"])
def test_a_full_disk_is_one_sentence_and_leaves_nothing(
    at: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest
) -> None:
    file = tmp_path / "out"
    file.write_text("old")

    def full(*_: Any) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    place, write = file, say("a text of some length")
    if at == "write":
        write = full
    elif at == "fsync":
        monkeypatch.setattr(os, "fsync", full)
    elif at == "close":
        monkeypatch.setattr(os, "replace", full)
    elif at == "device":
        # by its descriptor: a failure here would destroy the device itself for everybody
        place = Path(f"/dev/fd/{request.getfixturevalue('full_device')}")
    else:
        os.link(file, tmp_path / "other")
        monkeypatch.setattr(os, "posix_fallocate", full)
    with pytest.raises(TransparencyError, match=r"cannot be written: the disk is full\. Make room"):
        write_atomically(place, write)
    assert file.read_text() == "old"
    assert not list(tmp_path.glob(".*"))


def test_what_fails_on_the_way_leaves_the_old_file(tmp_path: Path) -> None:
    file = tmp_path / "out"
    file.write_text("old")

    def interrupted(into: IO[bytes]) -> None:
        into.write(b"half")
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_atomically(file, interrupted)
    with pytest.raises(KeyboardInterrupt):
        replace_file(file, interrupted)
    assert file.read_text() == "old" and [f.name for f in tmp_path.iterdir()] == ["out"]


def test_places_that_are_none_are_named(tmp_path: Path) -> None:
    loop = tmp_path / "loop"
    loop.symlink_to(loop)
    (tmp_path / "file").write_text("")
    for place, reason in (
        (tmp_path / "no" / "such" / "out", f"there is no folder {tmp_path / 'no' / 'such'}"),
        (tmp_path, "it is a folder"),
        (loop, "symbolic links"),
        (tmp_path / "file" / "out", "Not a directory"),
        (tmp_path / ("long" * 100), "name too long"),
        (Path("/dev/fd/987"), "Bad file descriptor"),
        (Path("~nobody-of-that-name/out"), "there is no folder ~nobody-of-that-name"),
    ):
        with pytest.raises(TransparencyError, match=reason):
            write_atomically(place, say("x"))


def test_a_planted_link_at_a_temporary_name_is_not_followed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    victim = tmp_path / "victim"
    victim.write_text("kept")
    monkeypatch.setattr(writing.secrets, "token_hex", lambda n: "0" * 2 * n)
    (tmp_path / f".out.{'0' * 16}.tmp").symlink_to(victim)
    with pytest.raises(TransparencyError, match="File exists"):
        write_atomically(tmp_path / "out", say("x"))
    assert victim.read_text() == "kept"
    # and the name itself, where a store is not to follow it
    link = tmp_path / "link"
    link.symlink_to(victim)
    monkeypatch.undo()
    replace_file(link, say("x"))
    assert victim.read_text() == "kept" and not link.is_symlink()
