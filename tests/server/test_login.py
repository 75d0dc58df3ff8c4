"""Where a secret comes from, and that it is shown nowhere."""

from pathlib import Path

import pytest

from edgedistill.errors import SettingError
from edgedistill.server.login import (
    COOKIE,
    COOKIE_FILE,
    POD_TOKEN_PATH,
    TOKEN,
    TOKEN_FILE,
    login_from,
    refuse_secret_flags,
)


def test_a_token_and_a_cookie_go_each_in_their_header(tmp_path: Path) -> None:
    file = tmp_path / "secret"
    file.write_text("abc.def\n")
    assert login_from({TOKEN: "abc.def"}).headers() == {"authorization": "Bearer abc.def"}
    assert login_from({TOKEN_FILE: str(file)}).headers() == {"authorization": "Bearer abc.def"}
    file.write_text("a=1; b=2\n")
    assert login_from({COOKIE: "a=1; b=2"}).headers() == {"Cookie": "a=1; b=2"}
    assert login_from({COOKIE_FILE: str(file)}).headers() == {"Cookie": "a=1; b=2"}
    assert login_from({}).headers() == {}


def test_a_pods_token_is_read_anew_for_each_request(tmp_path: Path) -> None:
    token = tmp_path / "token"
    token.write_text("first")
    login = login_from({POD_TOKEN_PATH: str(token)})
    assert login.headers() == {"authorization": "Bearer first"}
    token.write_text("second")
    assert login.headers() == {"authorization": "Bearer second"}
    # Both were sent, so both are hidden.
    assert login.hide("first and second") == "*** and ***"


def test_what_is_named_comes_before_the_pod(tmp_path: Path) -> None:
    token = tmp_path / "token"
    token.write_text("of-the-pod")
    login = login_from({POD_TOKEN_PATH: str(token), TOKEN: "mine"})
    assert login.headers() == {"authorization": "Bearer mine"}


def test_two_logins_are_refused_without_showing_either() -> None:
    with pytest.raises(SettingError, match=f"{TOKEN} and {COOKIE} are set") as refused:
        login_from({TOKEN: "s3cret-a", COOKIE: "k=s3cret-b"})
    assert "s3cret" not in str(refused.value)


@pytest.mark.parametrize(
    "text",
    ["s3cret with blanks", "Bearer s3cret", "s3cret\nX-Other: 1", "s3cr\xe9t", "  \n", "s3\x00"],
)
def test_a_token_that_is_none_is_refused_without_showing_it(text: str, tmp_path: Path) -> None:
    file = tmp_path / "token"
    file.write_text(text, encoding="utf-8")
    for login in (login_from({TOKEN: text}), login_from({TOKEN_FILE: str(file)})):
        with pytest.raises(SettingError, match="must hold") as refused:
            login.headers()
        assert "s3" not in str(refused.value).replace(str(file), "")
        assert "s3" not in repr(login).replace(str(file), "")


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    with pytest.raises(SettingError, match="No such file or directory") as refused:
        login_from({TOKEN_FILE: str(tmp_path / "none")}).headers()
    assert str(tmp_path / "none") in str(refused.value)
    assert TOKEN_FILE in str(refused.value)


def test_the_values_of_a_cookie_are_hidden_each() -> None:
    login = login_from({COOKIE: "session=s3cret-session; id=s3cret-id"})
    login.headers()
    assert login.hide("got s3cret-id of session=s3cret-session; id=s3cret-id") == "got *** of ***"


@pytest.mark.parametrize(
    "flag", ["--token", "--cookie", "--existing-token", "--Password", "--api_key"]
)
def test_a_secret_as_a_flag_is_refused_with_what_to_do_instead(flag: str) -> None:
    for words in ([flag, "s3cret"], [f"{flag}=s3cret"], ["--host", "http://x", flag]):
        with pytest.raises(SettingError, match=f"does not exist.*{TOKEN}") as refused:
            refuse_secret_flags(words)
        assert "s3cret" not in str(refused.value)
    refuse_secret_flags(["--host", "token", "--bucket_secret", "name"])
