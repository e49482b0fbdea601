"""Nothing leaves its root: not by climbing, not by links, not by odd characters."""

from __future__ import annotations

import os
from pathlib import Path, PurePosixPath

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from loopagent.errors import UnsafePathError
from loopagent.workspaces.paths import resolve_inside, safe_join

NAMES = st.sampled_from(
    ["..", ".", "", "a", "b", "out", "loop", "chain", "up", "file", " ", "~", "…", "\0", "x" * 300]
)
PATHS = st.one_of(
    st.lists(NAMES, max_size=8).map("/".join),
    st.text(max_size=30),
    st.text(alphabet=st.characters(categories=["Cs", "Cc", "Zs"]), max_size=5),
    st.just("a/" * 3000),
)


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A workspace with links that leave it, in a folder that is itself reached by a link."""
    top = tmp_path_factory.mktemp("paths")
    (top / "real" / "a" / "b").mkdir(parents=True)
    (top / "secret").mkdir()
    (top / "secret" / "file").write_text("secret")
    (top / "root").symlink_to("real")
    root = top / "root"
    (root / "a" / "file").write_text("mine")
    (root / "out").symlink_to(top / "secret")
    (root / "up").symlink_to("..")
    (root / "inner").symlink_to("a/b")
    (root / "loop").symlink_to("loop")
    (root / "chain").symlink_to("chain0")
    for number in range(1500):
        (root / f"chain{number}").symlink_to(f"chain{number + 1}")
    (root / "chain1500").symlink_to(top / "secret")
    return root


def real(path: Path) -> Path:
    return Path(os.path.realpath(path))


@given(path=PATHS)
@example(path="out/file")
@example(path="up/secret/file")
@example(path="inner/../../out")
@example(path="/etc/passwd")
@settings(max_examples=400, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_a_joined_path_is_inside_or_refused(root: Path, path: str) -> None:
    try:
        joined = safe_join(root, path)
    except UnsafePathError:
        return
    assert real(joined).is_relative_to(real(root))


@given(path=PATHS)
@example(path=" /etc/passwd")
@example(path="\n/etc/passwd\t")
@example(path="\ufeff/etc/passwd")
@example(path="~/.ssh/id_ed25519")
@example(path="out/file")
@settings(max_examples=400, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_resolving_never_raises_and_gives_link_free_paths(root: Path, path: str) -> None:
    found = resolve_inside(root, path, root)
    assert isinstance(found, PurePosixPath)
    assert found.is_absolute()
    assert ".." not in found.parts


@pytest.mark.parametrize(
    ("path", "means"),
    [
        ("a/file", "a/file"),
        ("./a//file", "a/file"),
        ("inner", "a/b"),
        ("inner/new.txt", "a/b/new.txt"),
        ("not/there/yet", "not/there/yet"),
        ("a/../a/file", "a/file"),
        ("", "."),
        (".", "."),
        ("ünï/…", "ünï/…"),
    ],
)
def test_paths_inside_mean_what_they_say(root: Path, path: str, means: str) -> None:
    expected = PurePosixPath(real(root) / means)
    assert resolve_inside(root, path, root) == expected
    assert resolve_inside(root, str(root / path), root) == expected
    if path and ".." not in path:
        assert real(safe_join(root, path)) == Path(expected)


@pytest.mark.parametrize(
    "path",
    [
        "..",
        "a/../..",
        "/etc/passwd",
        " /etc/passwd",
        "/etc/passwd\n",
        "\u00a0/etc/passwd",
        "\ufeff/etc/passwd",
        "~",
        "~/x",
        " ~root/x",
        "out/file",
        "inner/../../../secret/file",
        "up/secret/file",
        "chain/file",
        "a\0b",
        "\ud800",
    ],
)
def test_paths_that_leave_are_seen_to_leave(root: Path, path: str) -> None:
    assert not resolve_inside(root, path, root).is_relative_to(real(root))


def test_a_sibling_whose_name_begins_alike_is_outside(root: Path) -> None:
    sibling = real(root).with_name(real(root).name + "-other")
    sibling.mkdir()
    assert not resolve_inside(root, str(sibling / "x"), root).is_relative_to(real(root))
    with pytest.raises(UnsafePathError):
        safe_join(root, f"../{sibling.name}/x")


def test_a_relative_path_starts_where_the_program_is(root: Path) -> None:
    assert resolve_inside(root, "../file", root / "a" / "b") == PurePosixPath(real(root), "a/file")


def test_another_form_of_the_same_name_does_not_hide_a_link(root: Path) -> None:
    (root / "caf\u00e9").symlink_to("/etc")
    decomposed = "cafe\u0301/passwd"
    assert resolve_inside(root, decomposed, root) == PurePosixPath("/etc/passwd")


@pytest.mark.parametrize("path", ["chain/file", "out", "up", "\0", "\ud800", "a/" * 3000, "~/x"])
def test_what_leads_out_is_never_joined(root: Path, path: str) -> None:
    with pytest.raises(UnsafePathError, match=r"\.$"):
        safe_join(root, path)


@pytest.mark.parametrize(
    ("path", "meant"),
    [
        ("file", "/workspace/file"),
        ("/workspace/file", "/workspace/file"),
        ("//workspace//sub/../file", "/workspace/file"),
        ("/etc/../workspace/file", "/workspace/file"),
        ("/workspace", "/workspace"),
        ("inner", "/workspace/file"),
        ("absolute", "/workspace/file"),
        ("out", "/etc/passwd"),
        ("/workspace/../etc/passwd", "/"),
        ("../other/file", "/"),
        ("up/x", "/"),
        ("/workspacex/file", "/workspacex/file"),
        ("/config/projects", "/config/projects"),
        ("~/x", "/~"),
        ("a\0b", "/~"),
        ("loop", "/"),
    ],
)
def test_a_path_means_what_it_means_in_the_sandbox(tmp_path: Path, path: str, meant: str) -> None:
    root = tmp_path / "workspace"
    root.mkdir()
    (root / "file").touch()
    (root / "sub").mkdir()
    (root / "inner").symlink_to("file")
    (root / "absolute").symlink_to("/workspace/inner")
    (root / "out").symlink_to("/etc/passwd")
    (root / "up").symlink_to("..")
    (root / "loop").symlink_to("/workspace/loop")
    assert resolve_inside(root, path, root, Path("/workspace")) == PurePosixPath(meant)
