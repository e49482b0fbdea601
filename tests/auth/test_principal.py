"""Who is let in, who has to wait, and what a cookie is worth."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loopagent.auth.cookie import COOKIE_NAME, COOKIE_SECONDS, CookieSigner
from loopagent.auth.principal import Auth
from loopagent.auth.throttle import Throttle
from loopagent.config import Settings
from loopagent.domain.ids import LOCAL_USER
from loopagent.errors import LimitReachedError, NotAuthenticatedError, SettingsError

PASSWORD = "a password"
TOKEN = "a-token-that-is-long-enough-not-to-be-guessed"


class Clock:
    def __init__(self) -> None:
        self.now = 1_000_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def auth(tmp_path: Path, clock: Clock) -> Auth:
    settings = Settings(password=PASSWORD, token=TOKEN)
    return Auth(settings, tmp_path, clock=clock, timer=clock)


def cookie(value: str) -> str:
    return f"theme=dark; {COOKIE_NAME}={value}"


def test_without_password_and_token_everybody_is_the_local_user(tmp_path: Path) -> None:
    auth = Auth(Settings(), tmp_path / "not made")
    assert auth.sign_in("whatever") == ""
    assert auth.principal_of(x_api_key="whatever").user_id == LOCAL_USER
    assert not (tmp_path / "not made").exists()


@pytest.mark.parametrize("secret", [PASSWORD, TOKEN])
def test_the_password_and_the_token_open_by_either_header(auth: Auth, secret: str) -> None:
    for principal in (
        auth.principal_of(authorization=f"Bearer {secret}"),
        auth.principal_of(authorization=f"bearer  {secret} "),
        auth.principal_of(x_api_key=secret),
        auth.principal_of(authorization="Basic eDp5", x_api_key=secret),
    ):
        assert principal.user_id == LOCAL_USER
        assert principal.scopes == {"read", "write"}


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"authorization": ""},
        {"authorization": "Bearer"},
        {"authorization": f"Basic {PASSWORD}"},
        {"cookie": ""},
        {"cookie": f"{COOKIE_NAME}="},
        {"cookie": f"{COOKIE_NAME}=1.2.3"},
        {"cookie": f"{COOKIE_NAME}=9999999999.ü.é"},
        {"x_api_key": "wrong"},
        {"authorization": "Bearer \udcff"},
    ],
)
def test_anything_else_is_refused_with_the_next_step(auth: Auth, headers: dict[str, str]) -> None:
    with pytest.raises(NotAuthenticatedError, match=r"/login|LOOP_AGENT_PASSWORD"):
        auth.principal_of(**headers)


def test_a_signed_in_browser_stays_so_for_thirty_days(auth: Auth, clock: Clock) -> None:
    header = cookie(auth.sign_in(PASSWORD))
    clock.now += COOKIE_SECONDS - 2
    assert auth.principal_of(cookie=header).user_id == LOCAL_USER
    clock.now += 3
    with pytest.raises(NotAuthenticatedError):
        auth.principal_of(cookie=header)


def test_a_valid_cookie_beside_one_of_another_server_counts(auth: Auth) -> None:
    header = f"{COOKIE_NAME}=1.x.y; {cookie(auth.sign_in(PASSWORD))}"
    assert auth.principal_of(cookie=header).user_id == LOCAL_USER


def test_cookies_outlive_a_restart_but_not_a_new_password(tmp_path: Path) -> None:
    value = cookie(Auth(Settings(password=PASSWORD), tmp_path).sign_in(PASSWORD))
    again = Auth(Settings(password=PASSWORD), tmp_path)
    assert again.principal_of(cookie=value).user_id == LOCAL_USER
    changed = Auth(Settings(password="another"), tmp_path)
    with pytest.raises(NotAuthenticatedError):
        changed.principal_of(cookie=value)


def test_the_secret_file_is_the_owners_alone(auth: Auth, tmp_path: Path) -> None:
    (secret,) = tmp_path.iterdir()
    assert stat.S_IMODE(secret.stat().st_mode) == 0o600
    assert len(secret.read_bytes()) == 32


def test_a_damaged_secret_is_named_at_the_start(auth: Auth, tmp_path: Path) -> None:
    next(tmp_path.iterdir()).write_bytes(b"")
    with pytest.raises(SettingsError, match="Remove it"):
        Auth(Settings(password=PASSWORD), tmp_path)


def test_a_data_folder_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    for folder in (tmp_path / "file", tmp_path / "file" / "below", Path("/proc/self")):
        with pytest.raises(SettingsError, match="LOOP_AGENT_DATA_DIR"):
            Auth(Settings(password=PASSWORD), folder)


@given(st.text(max_size=80))
def test_no_invented_cookie_is_valid(value: str) -> None:
    assert not CookieSigner(b"k" * 32).is_valid(value)


@given(st.integers(0, 60), st.sampled_from("0aZ_.-"))
def test_a_changed_cookie_is_worth_nothing(place: int, letter: str) -> None:
    signer = CookieSigner(b"k" * 32)
    value = signer.issue()
    changed = value[:place] + letter + value[place + 1 :]
    assert signer.is_valid(changed) == (changed == value)


def test_after_five_wrong_passwords_even_the_right_one_waits(auth: Auth, clock: Clock) -> None:
    for _ in range(5):
        with pytest.raises(NotAuthenticatedError):
            auth.sign_in("wrong")
    with pytest.raises(LimitReachedError, match="Try again in 1 s"):
        auth.sign_in(PASSWORD)
    clock.now += 1.1
    assert auth.sign_in(PASSWORD)


def test_each_further_wrong_answer_doubles_the_pause_up_to_a_minute(clock: Clock) -> None:
    throttle = Throttle(clock)
    pauses = []
    for _ in range(14):
        throttle.wrong("client")
        before = clock.now
        while True:
            try:
                throttle.check("client")
                break
            except LimitReachedError:
                clock.now += 1
        pauses.append(int(clock.now - before))
    assert pauses == [0, 0, 0, 0, 1, 2, 4, 8, 16, 32, 60, 60, 60, 60]


def test_wrong_answers_of_one_client_do_not_hold_up_another(auth: Auth) -> None:
    for _ in range(5):
        with pytest.raises(NotAuthenticatedError):
            auth.principal_of(x_api_key="wrong", client="10.0.0.9")
    assert auth.principal_of(x_api_key=PASSWORD, client="10.0.0.1").user_id == LOCAL_USER
    assert auth.principal_of(x_api_key=TOKEN, client="10.0.0.9").user_id == LOCAL_USER
    with pytest.raises(LimitReachedError):
        auth.principal_of(x_api_key=PASSWORD, client="10.0.0.9")


def test_the_throttle_remembers_a_bounded_number_of_clients_for_a_while(clock: Clock) -> None:
    throttle = Throttle(clock)
    for number in range(3000):
        throttle.wrong(str(number))
    assert len(throttle._records) == 1000
    clock.now += 901
    throttle.check("2999")
    assert len(throttle._records) == 999
