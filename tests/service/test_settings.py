"""Settings from flags and from the environment."""

from pathlib import Path

import pytest
from pydantic import ValidationError

from mirage.service.settings import Settings, read_settings


def test_the_defaults_are_those_that_are_documented() -> None:
    settings = read_settings([])
    assert (settings.host, settings.port) == ("127.0.0.1", 8000)
    assert (settings.models, settings.default_model) == (Path("models"), None)
    assert (settings.images_per_request, settings.queue_images) == (256, 1024)
    assert (settings.body_bytes, settings.deadline_s) == (8 * 2**20, 30)


@pytest.mark.parametrize("name", Settings.model_fields)
def test_every_setting_is_a_flag(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="0"):
        read_settings(["--help"])
    assert f"--{name.replace('_', '-')} " in capsys.readouterr().out


def test_a_flag_wins_over_the_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MIRAGE_PORT", "9000")
    monkeypatch.setenv("MIRAGE_DEFAULT_MODEL", "mnist")
    settings = read_settings(["--port", "9001"])
    assert (settings.port, settings.default_model) == (9001, "mnist")


def test_an_empty_variable_is_an_absent_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MIRAGE_DEFAULT_MODEL", "")
    assert read_settings([]).default_model is None


def test_origins_are_a_list_with_commas(monkeypatch: pytest.MonkeyPatch) -> None:
    both = ("https://a.example", "http://b.example:8080")
    monkeypatch.setenv("MIRAGE_CORS_ORIGINS", "https://a.example, http://b.example:8080")
    assert read_settings([]).cors_origins == both
    assert read_settings(["--cors-origins", "*"]).cors_origins == ("*",)
    with pytest.raises(ValidationError, match=r"cors_origins\.1"):
        read_settings(["--cors-origins", "*,https://a.example/path"])


def test_an_unknown_variable_is_refused_by_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MIRAGE_PROT", "9000")
    with pytest.raises(ValueError, match="MIRAGE_PROT is no setting"):
        read_settings([])


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
def test_a_value_out_of_bounds_is_refused(flags: list[str]) -> None:
    with pytest.raises(ValidationError):
        read_settings(flags)
