"""The pages of a session's files and of its changes, as a browser without scripts uses them."""

from __future__ import annotations

from pathlib import Path

import httpx
import pytest

from tests.support.server import RunningServer

PNG = bytes.fromhex("89504e470d0a1a0a0000000d49484452")


@pytest.fixture
async def session(http: httpx.AsyncClient) -> str:
    return str((await http.post("/api/sessions", json={})).json()["id"])


@pytest.fixture
def workspace(server: RunningServer, session: str) -> Path:
    return Path(server.services.settings.workspace_root) / session / "workspace"


def below(folder: Path) -> list[str]:
    return [str(path.relative_to(folder)) for path in folder.rglob("*.*")]


async def page(http: httpx.AsyncClient, address: str, **query: str) -> str:
    answer = await http.get(address, params=query)
    assert answer.status_code == 200, answer.text
    return answer.text


async def test_files_are_uploaded_renamed_and_deleted_by_forms(
    http: httpx.AsyncClient, session: str, workspace: Path
) -> None:
    base = f"/sessions/{session}/workspace"
    assert "This folder is empty" in await page(http, base)
    sent = [("file", ("a.py", b"x = 1\n")), ("file", ("..\\up\\b.txt", b"b"))]
    answer = await http.post(f"{base}/upload", data={"path": "src"}, files=sent)
    assert (answer.status_code, answer.headers["location"]) == (303, f"{base}?path=src")
    assert {path.name for path in (workspace / "src").iterdir()} == {"a.py", "b.txt"}
    shown = await page(http, base, path="src")
    assert f'href="{base}?path=src/a.py"' in shown
    await http.post(f"{base}/folder", data={"path": "src", "name": "deep"})
    await http.post(f"{base}/rename", data={"path": "src/b.txt", "to": "src/deep/c.txt"})
    await http.post(f"{base}/delete", data={"path": "src/a.py"})
    assert below(workspace) == ["src/deep/c.txt"]
    assert "Uploaded src/a.py" in await page(http, f"/sessions/{session}")


async def test_a_file_is_shown_by_what_it_is(
    http: httpx.AsyncClient, session: str, workspace: Path
) -> None:
    base = f"/sessions/{session}/workspace"
    (workspace / "a.py").write_text("def f(): return '<script>'\n")
    (workspace / "a.png").write_bytes(PNG)
    (workspace / "a.bin").write_bytes(b"\0\1")
    (workspace / "long.txt").write_text("ä" * 500_000)
    (workspace / "to").symlink_to("/etc/passwd")
    code = await page(http, base, path="a.py")
    assert '<span class="k-key">def' in code
    assert "<script>'" not in code
    assert "data:image/png;base64,iVBOR" in await page(http, base, path="a.png")
    assert "This is no text" in await page(http, base, path="a.bin")
    assert "this is its beginning" in await page(http, base, path="long.txt")
    link = await page(http, base, path="to")
    assert "Links are not followed" in link
    assert "root:" not in link
    raw = await http.get(f"{base}/raw", params={"path": "a.py"})
    assert raw.headers["content-disposition"].startswith("attachment")
    assert (await http.get(base, params={"path": "none"})).status_code == 404


async def test_changes_are_shown_line_by_line_and_rewound(
    http: httpx.AsyncClient, session: str, workspace: Path
) -> None:
    files, changes = f"/sessions/{session}/workspace", f"/sessions/{session}/changes"
    assert "There is none yet" in await page(http, changes)
    (workspace / 'odd "name"\n.py').write_text("one = 1\n")
    (workspace / "b.txt").write_text("-- not a header\n")
    await http.post(f"/v1/sessions/{session}/workspace/checkpoints/0/rewind")
    shown = await page(http, changes, **{"from": "2", "to": "1"})
    assert "Rewind the files" in shown
    assert '<span class="k-num">1</span>' in shown
    assert "-- not a header" in shown
    assert below(workspace) == []
    answer = await http.post(f"{changes}/rewind/1")
    assert answer.status_code == 303
    assert (workspace / "b.txt").read_text() == "-- not a header\n"
    patch = await http.get(f"{changes}/patch", params={"from": "0", "to": "1"})
    assert "+-- not a header" in patch.text
    assert "Rewound the files to checkpoint 1" in await page(http, f"/sessions/{session}")
    assert "b.txt" in await page(http, files)


async def test_the_session_page_leads_to_its_files(http: httpx.AsyncClient, session: str) -> None:
    shown = await page(http, f"/sessions/{session}")
    assert f'href="/sessions/{session}/workspace"' in shown
    assert f'href="/sessions/{session}/changes"' in shown
