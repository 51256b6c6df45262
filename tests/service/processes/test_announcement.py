"""What an operator reads when the service starts."""

import logging
import socket
from pathlib import Path

import pytest

from mirage.service.processes.announcement import log_ready, url_of, warn_if_empty
from tests.bundles import make_bundle


@pytest.mark.parametrize(
    ("host", "url"),
    [
        ("127.0.0.1", "http://127.0.0.1:8000/"),
        ("10.0.0.7", "http://10.0.0.7:8000/"),
        ("0.0.0.0", "http://127.0.0.1:8000/"),
        ("::", "http://[::1]:8000/"),
    ],
)
def test_the_address_can_be_opened_on_this_machine(host: str, url: str) -> None:
    assert url_of(host, 8000) == url


def test_logs_the_address(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        log_ready(listener)
    assert caplog.messages == [
        f"ready host=127.0.0.1 port={port}",
        f"address http://127.0.0.1:{port}/",
    ]


def test_an_empty_folder_is_told_how_to_get_a_model(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    warn_if_empty(tmp_path)
    (message,) = caplog.messages
    assert message.startswith(f"no model is released in {tmp_path}; `mirage export RUN --to ")


def test_a_folder_with_versions_of_which_none_is_released_is_as_good_as_empty(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    make_bundle(tmp_path, "toy")
    warn_if_empty(tmp_path)
    (message,) = caplog.messages
    assert f"`mirage bundle release NAME VERSION --models {tmp_path}`" in message


def test_a_folder_with_a_released_model_is_not_mentioned(
    models_root: Path, caplog: pytest.LogCaptureFixture
) -> None:
    warn_if_empty(models_root)
    warn_if_empty(models_root / "absent")  # which ends the service with an error of its own
    assert caplog.messages == []
