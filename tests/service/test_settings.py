"""Settings from flags and from the environment."""

import re
from pathlib import Path

import pytest
from pydantic import ValidationError

from mirage.service.settings import Settings, read_settings, service_links


def test_the_defaults_are_those_documented() -> None:
    settings = read_settings([])
    assert (settings.host, settings.port) == ("127.0.0.1", 8000)
    assert (settings.models, settings.default_model) == (Path("models"), None)
    assert (settings.images_per_request, settings.queue_images) == (256, 1024)
    assert (settings.body_bytes, settings.deadline_s) == (8 * 2**20, 30)
    assert (settings.json_bytes, settings.json_items) == (2**20, 70_000)


@pytest.mark.parametrize("name", Settings.model_fields)
def test_every_setting_is_a_flag(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="0"):
        read_settings(["--help"])
    assert f"--{name.replace('_', '-')} " in capsys.readouterr().out


def test_the_help_shows_no_python_types(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="0"):
        read_settings(["--help"], "mirage serve", "more")
    shown = capsys.readouterr().out
    assert shown.startswith("usage: mirage serve ")
    assert shown.endswith("more\n")
    assert "--cors-origins LIST" in shown
    assert "--host TEXT" in shown
    assert "--port N" in shown
    assert not re.search(r"\b(str|int|float|null)\b", shown)
    assert "()" not in shown
    assert "(default: )" not in shown


def test_a_flag_takes_precedence_over_the_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MIRAGE_PORT", "9000")
    monkeypatch.setenv("MIRAGE_DEFAULT_MODEL", "mnist")
    settings = read_settings(["--port", "9001"])
    assert (settings.port, settings.default_model) == (9001, "mnist")


def test_an_empty_variable_is_ignored(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MIRAGE_DEFAULT_MODEL", "")
    assert read_settings([]).default_model is None


def test_origins_are_separated_by_commas(monkeypatch: pytest.MonkeyPatch) -> None:
    both = ("https://a.example", "http://b.example:8080")
    monkeypatch.setenv("MIRAGE_CORS_ORIGINS", "https://a.example, http://b.example:8080")
    assert read_settings([]).cors_origins == both
    assert read_settings(["--cors-origins", "*"]).cors_origins == ("*",)
    with pytest.raises(ValidationError, match=r"cors_origins\.1"):
        read_settings(["--cors-origins", "*,https://a.example/path"])


def test_an_unknown_variable_is_rejected_by_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MIRAGE_PROT", "9000")
    with pytest.raises(ValueError, match="MIRAGE_PROT is not a setting"):
        read_settings([])


LINKS = {
    "MIRAGE_SERVICE_HOST": "10.0.0.1",
    "MIRAGE_SERVICE_PORT": "80",
    "MIRAGE_SERVICE_PORT_HTTP": "80",
    "MIRAGE_PORT": "tcp://10.0.0.1:80",
    "MIRAGE_PORT_80_TCP": "tcp://10.0.0.1:80",
    "MIRAGE_PORT_80_TCP_PROTO": "tcp",
    "MIRAGE_PORT_80_TCP_PORT": "80",
    "MIRAGE_PORT_80_TCP_ADDR": "10.0.0.1",
    "MIRAGE_CANARY_PORT": "udp://10.0.0.2:53",
    "MIRAGE_CANARY_SERVICE_HOST": "10.0.0.2",
    "MIRAGE_CANARY_PORT_53_UDP": "udp://10.0.0.2:53",
}


def test_variables_of_kubernetes_services_are_ignored(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in LINKS.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("MIRAGE_DEFAULT_MODEL", "mnist")
    assert service_links() == sorted(LINKS)
    settings = read_settings([])
    assert (settings.port, settings.default_model) == (8000, "mnist")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("MIRAGE_SERVICE", "10.0.0.1"),
        ("MIRAGE_CANARY_PORT", "8001"),
        ("MIRAGE_PORTS", "tcp://10.0.0.1:80"),
        ("MIRAGE_PORT_80", "80"),
        ("MIRAGE_HOSTNAME", "tcp://10.0.0.1:80"),
    ],
)
def test_a_variable_that_only_resembles_a_service_is_rejected(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    monkeypatch.setenv(name, value)
    assert service_links() == []
    with pytest.raises(ValueError, match=f"{name} is not a setting"):
        read_settings([])


def test_an_invalid_port_is_rejected(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MIRAGE_PORT", "http://10.0.0.1:80")
    with pytest.raises(ValidationError, match="port"):
        read_settings([])


@pytest.mark.parametrize(
    "path", ["mirage", "/mirage/", "/", "//", "/a b", "/a?b", "https://a.example"]
)
def test_an_invalid_root_path_is_rejected(path: str) -> None:
    with pytest.raises(ValidationError, match="root_path"):
        read_settings(["--root-path", path])
    assert read_settings(["--root-path", "/models/v1.2"]).root_path == "/models/v1.2"


def test_an_address_that_is_not_of_redis_is_rejected_without_its_password() -> None:
    with pytest.raises(
        ValueError, match="MIRAGE_LIMITS_URL begins with none of redis://"
    ) as caught:
        read_settings(["--limits-url", "http://user:secret@host/0"])
    assert "secret" not in str(caught.value)
    assert read_settings(["--limits-url", "rediss://host"]).limits_url is not None


def test_an_unknown_flag_is_a_usage_error(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="2"):
        read_settings(["--prot", "9000"])
    assert "--prot" in capsys.readouterr().err


@pytest.mark.parametrize(
    "flags",
    [
        ["--port", "65536"],
        ["--images-per-request", "0"],
        ["--deadline-s", "0"],
        ["--provider", "tpu"],
        ["--threads", "many"],
    ],
)
def test_a_value_out_of_bounds_is_rejected(flags: list[str]) -> None:
    with pytest.raises(ValidationError):
        read_settings(flags)
