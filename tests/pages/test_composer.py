"""The field for the next message: files that go with it, names that it completes, what was said."""

from __future__ import annotations

import base64
import json
import struct
import zlib
from pathlib import Path

import pytest
from playwright.async_api import Page, expect

from loopagent.domain import events as e
from loopagent.domain.ids import SessionId
from loopagent.errors import InvalidRequestError, TooLargeError
from loopagent.web.pages.attachments import LARGEST, LARGEST_TEXT, blocks_of
from tests.pages.conftest import add
from tests.support.server import RunningServer


def png(width: int, height: int) -> bytes:
    raw = b"".join(b"\0" + bytes((x * y) % 251 for x in range(width * 3)) for y in range(height))
    shape = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    parts = ((b"IHDR", shape), (b"IDAT", zlib.compress(raw)), (b"IEND", b""))
    chunks = [
        struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))
        for name, data in parts
    ]
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunks)


def attachment(**fields: object) -> str:
    given = {"kind": "image", "type": "image/png", "name": "a.png", "data": ""}
    return json.dumps({**given, **fields})


def encoded(content: bytes) -> str:
    return base64.b64encode(content).decode()


async def sent(server: RunningServer, session_id: SessionId) -> e.UserMessage:
    rows = await server.services.log.page(session_id, types=("user.message",))
    found = rows[-1].event()
    assert isinstance(found, e.UserMessage)
    return found


@pytest.mark.slow
@pytest.mark.browser
async def test_images_are_shrunk_survive_a_reload_and_go_with_the_message(
    server: RunningServer, session_id: SessionId, tab: Page, tmp_path: Path
) -> None:
    picture, notes = tmp_path / "shot.png", tmp_path / "notes.txt"
    picture.write_bytes(png(2400, 1200))
    notes.write_text("<b>remember</b>")
    await tab.goto(f"{server.url}/sessions/{session_id}")
    await tab.locator("#composer input[type=file]").set_input_files([picture, notes])
    await expect(tab.locator(".attached")).to_have_count(2)
    await tab.reload()
    await expect(tab.locator(".attached")).to_have_count(2)
    await tab.get_by_role("textbox", name="Message").press("Enter")
    await expect(tab.locator(".user .picture")).to_be_visible()
    await expect(tab.locator(".user .attached-file")).to_have_text("notes.txt")
    await expect(tab.locator(".attached")).to_have_count(0)
    image, file = (await sent(server, session_id)).content
    assert isinstance(image, e.SourceBlock)
    assert isinstance(file, e.SourceBlock)
    assert file.source["data"] == "<b>remember</b>"
    width = await tab.locator(".user .picture").evaluate("image => image.naturalWidth")
    assert width == 1568


@pytest.mark.slow
@pytest.mark.browser
async def test_a_picture_is_pasted_and_taken_off_again(
    server: RunningServer, session_id: SessionId, tab: Page
) -> None:
    await tab.goto(f"{server.url}/sessions/{session_id}")
    paste = """data => {
        const bytes = Uint8Array.from(atob(data), letter => letter.charCodeAt(0));
        const clipboardData = new DataTransfer();
        clipboardData.items.add(new File([bytes], "pasted.png", {type: "image/png"}));
        const event = new ClipboardEvent("paste", {clipboardData, bubbles: true, cancelable: true});
        document.querySelector("#composer textarea").dispatchEvent(event);
    }"""
    await tab.evaluate(paste, encoded(png(20, 20)))
    await expect(tab.get_by_role("img", name="pasted.png")).to_be_visible()
    await tab.get_by_role("button", name="Remove pasted.png").click()
    await expect(tab.locator(".attached")).to_have_count(0)


@pytest.mark.slow
@pytest.mark.browser
async def test_an_at_sign_completes_the_files_of_the_workspace(
    server: RunningServer, session_id: SessionId, tab: Page
) -> None:
    folder = server.services.workspaces.folder(session_id).workspace
    (folder / "src").mkdir()
    for name in ("src/app.py", "src/<i>.py", "readme.md"):
        (folder / name).write_text("x")
    await tab.goto(f"{server.url}/sessions/{session_id}")
    field = tab.get_by_role("textbox", name="Message")
    await field.press_sequentially("look at @.py")
    await expect(tab.get_by_role("option")).to_have_text(["src/<i>.py", "src/app.py"])
    await field.press("ArrowDown")
    await field.press("Enter")
    await expect(field).to_have_value("look at @src/app.py ")


@pytest.mark.slow
@pytest.mark.browser
async def test_the_arrow_up_brings_back_what_was_said(
    server: RunningServer, session_id: SessionId, tab: Page
) -> None:
    said = [e.UserMessage(content=[e.text_block(text)]) for text in ("first", "second")]
    await add(server, session_id, *said)
    await tab.goto(f"{server.url}/sessions/{session_id}")
    field = tab.get_by_role("textbox", name="Message")
    for key, text in (
        ("ArrowUp", "second"),
        ("ArrowUp", "first"),
        ("ArrowUp", "first"),
        ("ArrowDown", "second"),
        ("ArrowDown", ""),
    ):
        await field.press(key)
        await expect(field).to_have_value(text)


@pytest.mark.slow
@pytest.mark.browser
async def test_another_model_is_chosen_below_the_field(
    server: RunningServer, session_id: SessionId, tab: Page
) -> None:
    await tab.goto(f"{server.url}/sessions/{session_id}")
    await expect(tab.locator("#model-name")).to_have_text("some-model")
    await tab.locator(".model-button").click()
    name = await tab.locator("#models button").first.inner_text()
    await tab.locator("#models button").first.click()
    await expect(tab.locator("#model-name")).to_have_text(name)


@pytest.mark.parametrize(
    ("value", "error"),
    [
        ("nonsense", InvalidRequestError),
        ("[]", InvalidRequestError),
        (attachment(data=encoded(b"<svg onload=alert(1)>")), InvalidRequestError),
        (attachment(data="§"), InvalidRequestError),
        (attachment(type="image/svg+xml", data=encoded(b"<svg/>")), InvalidRequestError),
        (attachment(data="A" * (LARGEST * 2)), TooLargeError),
        (attachment(kind="text", data="a" * (LARGEST_TEXT + 1)), TooLargeError),
    ],
)
def test_a_file_that_is_not_what_it_says_is_refused(value: str, error: type[Exception]) -> None:
    with pytest.raises(error):
        blocks_of([value])


def test_a_message_takes_so_many_files_and_no_more() -> None:
    value = attachment(type="application/pdf", name="a.pdf", data=encoded(b"%PDF-1.7"))
    (block,) = blocks_of([value])
    assert block.type == "document"
    with pytest.raises(TooLargeError):
        blocks_of([value] * 11)
