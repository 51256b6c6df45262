import pytest

from mirage.client import Client


@pytest.mark.parametrize(
    ("setting", "value", "message"),
    [
        ("url", "localhost:8000", "url is 'localhost:8000'; http://HOST or https://HOST"),
        ("url", "ftp://host", "url is 'ftp://host'"),
        ("url", "http://", "url is 'http://'"),
        ("url", "http://host:port", "url is 'http://host:port'"),
        ("page_size", 0, "page_size is 0; at least 1"),
        ("parallel", 0, "parallel is 0; at least 1"),
        ("patience_s", -1, "patience_s is -1; at least 0"),
        ("timeout_s", 0, "timeout_s is 0; more than 0"),
    ],
)
def test_names_an_invalid_setting(setting: str, value: object, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Client(**{setting: value})  # type: ignore[arg-type]


@pytest.mark.parametrize("key", ["", "secret\nX-Admin: 1", "sécret"])
def test_rejects_an_invalid_key_without_showing_it(key: str) -> None:
    with pytest.raises(ValueError, match="api_key is empty or has other") as caught:
        Client(api_key=key)
    assert not key or key not in str(caught.value)
