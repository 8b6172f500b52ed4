"""The shared server on a machine, or beside a user, that works against it."""

from __future__ import annotations

import os
import signal
import socket
import stat
import time
from contextlib import suppress
from pathlib import Path

import psutil
import pytest
from language_client import Client
from shared_world import PING, World, until

from lm_transparency.server import runtime_files as places
from lm_transparency.server.runtime_files import NotPrivate, place

pytestmark = pytest.mark.skipif(os.name != "posix", reason="Unix sockets")
as_root = pytest.mark.skipif(os.name != "posix" or os.getuid() != 0, reason="only root can be another user")


@pytest.fixture
def taken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A stand-in for the well-known name in /tmp, with a home of this user."""
    shared, home = tmp_path / "t", tmp_path / "h"
    shared.mkdir()
    shared.chmod(0o1777)
    home.mkdir()
    monkeypatch.setattr(places, "_SHARED", str(shared))
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.delenv(places.FOLDER_VARIABLE, raising=False)
    monkeypatch.setattr(places, "_LONGEST", 1000)
    return shared / f"lm-transparency-{os.getuid()}"


def is_private(folder: Path) -> bool:
    return stat.S_IMODE(folder.stat().st_mode) == 0o700 and folder.stat().st_uid == os.getuid()


@pytest.mark.parametrize("how", ["a file", "a link", "open to others"])
def test_where_the_name_in_tmp_is_taken_the_folder_is_in_the_home(taken: Path, how: str) -> None:
    assert place().socket.parent == taken and is_private(taken)
    taken.rmdir()
    if how == "a file":
        taken.touch()
    elif how == "a link":
        taken.symlink_to("/")
    else:
        taken.mkdir()
        taken.chmod(0o777)
    found = place().socket.parent
    assert found.is_relative_to(Path.home()) and is_private(found)
    assert place().socket.parent == found


@as_root
def test_where_another_user_has_taken_the_name_the_folder_is_in_the_home(taken: Path) -> None:
    taken.mkdir(mode=0o700)
    os.chown(taken, 65534, 65534)
    assert is_private(place().socket.parent)
    # another user's home is no better
    os.chown(Path.home(), 65534, 65534)
    with pytest.raises(NotPrivate, match="is not a folder of this user"):
        place()


def test_a_folder_that_others_can_put_another_in_the_place_of_is_refused(
    taken: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    taken.parent.chmod(0o777)
    monkeypatch.setenv(places.FOLDER_VARIABLE, str(taken))
    with pytest.raises(NotPrivate, match="can put another folder in the place"):
        place()


def attached(world: World) -> tuple[Client, psutil.Process, Path]:
    log = world.fake_server()
    client = world.client("window")
    return client, psutil.Process(world.process_id(client)), log


def test_the_end_of_a_server_whose_supervisor_was_killed_is_no_success(world: World) -> None:
    client, server, _ = attached(world)
    keeper = server.parent()
    assert keeper is not None
    keeper.kill()
    until(lambda: server.ppid() != keeper.pid)
    assert client.ask(PING) is None
    server.kill()
    assert client.process.wait(20) == 5
    assert '"code": null' in client.stderr().split("lm-transparency ended")[1]


def test_a_server_whose_supervisor_was_killed_tells_itself_that_it_ended_well(world: World) -> None:
    client, server, _ = attached(world)
    keeper = server.parent()
    assert keeper is not None
    keeper.kill()
    until(lambda: server.ppid() != keeper.pid)
    server.send_signal(signal.SIGTERM)
    assert client.process.wait(20) == 0


def test_a_server_without_room_for_connections_says_so_once_and_takes_them_later(world: World) -> None:
    client, server, log = attached(world)
    before = server.rlimit(psutil.RLIMIT_NOFILE)
    server.rlimit(psutil.RLIMIT_NOFILE, (server.num_fds(), before[1]))
    path = next(world.folder.glob("*.sock"))
    waiting = [socket.socket(socket.AF_UNIX) for _ in range(20)]
    try:
        for one in waiting:
            one.connect(str(path))
        until(lambda: "cannot be taken now" in log.read_text())
        # several tries later
        end = time.monotonic() + 2.5
        while time.monotonic() < end:
            assert client.ask(PING) is None
            time.sleep(0.1)
        assert log.read_text().count("cannot be taken now") == 1
        assert len(log.read_bytes()) < 5000
        server.rlimit(psutil.RLIMIT_NOFILE, before)
        waiting[-1].settimeout(20)
        assert waiting[-1].recv(16) == b"lm-transparency "
    finally:
        for one in waiting:
            one.close()


def test_a_client_that_does_not_read_is_neither_heard_nor_kept_for_ever(world: World) -> None:
    _, server, log = attached(world)
    path = next(world.folder.glob("*.sock"))
    greedy = socket.socket(socket.AF_UNIX)
    greedy.connect(str(path))
    name = "x" * 400
    body = f'{{"jsonrpc": "2.0", "id": 1, "method": "{name}"}}'.encode()
    frame = b"Content-Length: %d\r\n\r\n%b" % (len(body), body)
    greedy.settimeout(2)
    before, sent = server.memory_info().rss, 0
    with suppress(TimeoutError):
        while sent < 200_000_000:
            greedy.sendall(frame * 200)
            sent += 200 * len(frame)
    assert sent < 200_000_000
    grown = (server.memory_info().rss - before) / 1e6
    print(f"\nafter {sent / 1e6:.0f} MB of requests whose answers nobody reads, {grown:.0f} MB more")
    assert grown < 150
    assert world.client("other").ask(PING) is None
    greedy.close()
    until(lambda: "was lost" in log.read_text())


def test_connections_have_a_largest_number(world: World) -> None:
    client, _, log = attached(world)
    path = next(world.folder.glob("*.sock"))
    opened = [socket.socket(socket.AF_UNIX) for _ in range(210)]
    try:
        for one in opened:
            one.connect(str(path))
        until(lambda: "A connection was refused: there are 200 already." in log.read_text())
        assert client.ask(PING) is None
        opened[-1].settimeout(20)
        assert opened[-1].recv(16) == b""
    finally:
        for one in opened:
            one.close()
    assert world.client("other").ask(PING) is None
