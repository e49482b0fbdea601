"""A key that the model's API refuses stops sessions; a better one lets them go on."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.journeys.test_recovery import kinds, of_kind, post
from tests.journeys.test_session import assert_sound, create, events, last_reason, status
from tests.support.process import server_process, surroundings, until
from tests.support.stream import text_of

pytestmark = pytest.mark.slow


@pytest.fixture
def model() -> Iterator[str]:
    """The address of a scripted model that outlives the server."""
    with subprocess.Popen(
        [sys.executable, "-m", "loopagent.scripted", "--port", "0"],
        stdout=subprocess.PIPE,
        text=True,
        env=surroundings(),
    ) as process:
        assert process.stdout is not None
        yield process.stdout.readline().strip()
        process.terminate()


def test_what_a_refused_key_has_stopped_goes_on_by_itself_with_the_next_key(
    tmp_path: Path, model: str
) -> None:
    settings = {"ANTHROPIC_BASE_URL": model, "LOOP_AGENT_ISOLATION": "none"}
    with server_process(tmp_path, **settings, ANTHROPIC_API_KEY="sk-rejected-1") as server:
        with server.client() as client:
            session, quiet = create(client), create(client, recovery="ask")
            for each in (session, quiet):
                post(client, each, "[[text: hello again]]")
                post(client, each, "[[text: second]]")
                until(lambda each=each: last_reason(client, each) == "retries_exhausted")
                assert status(client, each)["loop"]["error"]["type"] == "authentication_error"
            # What was queued waits: it would only meet the same refusal.
            assert kinds(events(client, session)).count("user.message") == 1
            assert "The key is refused" in page(client)
        assert server.stop() == 0
        server.settings["ANTHROPIC_API_KEY"] = "sk-good"
        server.start()
        with server.client() as client:
            until(lambda: "second" in text_of(events(client, session)))
            until(lambda: last_reason(client, session) == "end_turn")
            listed = events(client, session)
            assert_sound(listed)
            assert of_kind(listed, "user.message")[1]["loop"] == {"goes_on": True}
            assert "The key is refused" not in page(client)
            # Who wants to be asked is not overtaken.
            assert kinds(events(client, quiet)).count("user.message") == 1


def page(client: httpx.Client) -> str:
    return client.get("/", headers={"accept": "text/html"}).text
