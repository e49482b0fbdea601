"""A user per session, and copies that can't be read."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from loopagent.domain.ids import SessionId, new_session_id
from loopagent.sandbox import owner
from loopagent.sandbox.owner import user_of
from loopagent.sandbox.sealed import sealed


def test_a_session_has_the_same_user_everywhere_and_no_other_session_has_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    users = {user_of(new_session_id()) for _ in range(200)}
    assert len(users) == 200
    assert all(user is not None and 1 << 30 <= user < 1 << 31 for user in users)
    assert user_of(SessionId("sesn_01m891yqtc7hrr223g3cyw2tef")) == 1103424595


def test_where_few_users_are_known_one_of_those_is_taken(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    (tmp_path / "map").write_text("         0     100000      65536\n")
    monkeypatch.setattr(owner, "_UID_MAP", tmp_path / "map")
    for _ in range(50):
        user = user_of(new_session_id())
        assert user is not None
        assert 32768 <= user < 61440


def test_an_ordinary_user_cannot_choose_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    assert user_of(new_session_id()) is None


def test_a_sealed_program_can_be_run_and_not_changed_and_is_made_once(tmp_path: Path) -> None:
    place = tmp_path / "programs"
    copy = sealed(Path("/bin/sh"), place)
    assert copy.stat().st_mode & 0o777 == 0o111
    made = copy.stat().st_ino
    assert sealed(Path("/bin/sh"), place).stat().st_ino == made
    assert list(place.glob("*/*")) == [copy]


def test_a_copy_that_was_made_readable_is_sealed_again(tmp_path: Path) -> None:
    copy = sealed(Path("/bin/sh"), tmp_path)
    copy.chmod(0o755)
    assert sealed(Path("/bin/sh"), tmp_path).stat().st_mode & 0o777 == 0o111


def test_a_copy_that_was_cut_short_is_made_anew(tmp_path: Path) -> None:
    copy = sealed(Path("/bin/sh"), tmp_path)
    copy.unlink()
    copy.write_text("half")
    assert sealed(Path("/bin/sh"), tmp_path).stat().st_size == Path("/bin/sh").stat().st_size


def test_a_copy_that_cannot_be_made_leaves_nothing(tmp_path: Path) -> None:
    (tmp_path / "source").mkdir()
    with pytest.raises(OSError, match="directory"):
        sealed(tmp_path / "source", tmp_path / "programs")
    assert not list((tmp_path / "programs").glob("*/*"))
