"""A password that was not encoded for a URL is shown nowhere."""

import pytest

import agent_store
from agent_store.backends.postgres import address
from agent_store.errors import BackendError


@pytest.mark.parametrize(
    "password", ["left/right", "left@rig/ht", "left@right", "le/ft?right", "le?ft/right", "left:x/right"]
)
def test_a_password_that_is_not_encoded(password: str) -> None:
    url = f"postgresql://user:{password}@127.0.0.1:1/db"
    with pytest.raises(BackendError, match=r"user:\*\*\*@127.0.0.1:1/db: .*%40, %2F, %3F") as raised:
        agent_store.open(url)
    assert "left" not in str(raised.value)
    assert "right" not in str(raised.value)


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://127.0.0.1:5432/db?user=a@b",
        "postgresql://127.0.0.1/db?user=a@b",
        "postgresql://[::1]:5432/db?user=a@b",
        "postgresql://one:1,two:2/db?user=a@b",
        "postgresql:///db?host=/tmp&user=a@b",
    ],
)
def test_what_is_as_it_should_be_is_shown(url: str) -> None:
    assert address.parse(url).shown == url


def test_an_option_in_capitals() -> None:
    assert "secret" not in address.parse("postgresql://h/db?PASSWORD=secret").shown
