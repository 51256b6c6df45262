"""The files of compose agree with the service, with the Dockerfile and with .env.example."""

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from mirage.service.settings import PREFIX, Settings

ROOT = Path(__file__).parents[2]
COMPOSE_FILES = ("docker-compose.yml", "docker-compose.gpu.yml")
FIXED = {"host", "port", "models"}  # the image's, or compose's, affair


def compose(file: str = "docker-compose.yml") -> dict[str, Any]:
    document: dict[str, Any] = yaml.safe_load((ROOT / file).read_text())
    return document


def services() -> dict[str, dict[str, Any]]:
    found: dict[str, dict[str, Any]] = compose()["services"]
    return found


def variables() -> dict[str, set[str]]:
    """Every `${NAME:-default}` of the compose files, with its defaults."""
    found: dict[str, set[str]] = {}
    for file in COMPOSE_FILES:
        for name, default in re.findall(r"\$\{(\w+):?-([^}]*)\}", (ROOT / file).read_text()):
            found.setdefault(name, set()).add(default)
    return found


def examples() -> dict[str, str]:
    """What .env.example proposes, all of it commented out."""
    lines = (ROOT / ".env.example").read_text().splitlines()
    assert all(line.startswith("#") for line in lines if line)
    return dict(re.findall(r"^#(\w+)=(.*)$", "\n".join(lines), re.MULTILINE))


def ours() -> dict[str, dict[str, Any]]:
    """The services whose image is built here."""
    return {name: each for name, each in services().items() if "build" in each}


@pytest.mark.parametrize("name", ["service", "replica"])
def test_every_setting_of_the_service_can_be_set(name: str) -> None:
    settings = {f"{PREFIX}{field.upper()}" for field in Settings.model_fields.keys() - FIXED}
    passed = {name for name in services()[name]["environment"] if name.startswith(PREFIX)}
    assert passed == settings


def test_the_example_shows_every_variable_with_its_default() -> None:
    shown = examples()
    assert variables().keys() - shown.keys() == set()
    different = {
        name: (shown[name], defaults)
        for name, defaults in variables().items()
        if shown[name] not in defaults
    }
    assert different == {}


def test_the_example_shows_nothing_that_is_not_there() -> None:
    settings = {f"{PREFIX}{field.upper()}" for field in Settings.model_fields.keys() - FIXED}
    assert examples().keys() <= variables().keys() | settings | {"COMPOSE_FILE"}


def test_alone_it_starts_the_service_on_port_8000() -> None:
    started = {name for name, each in services().items() if "profiles" not in each}
    assert started == {"service"}
    assert services()["service"]["ports"] == ["${SERVICE_PORT:-8000}:8000"]


def test_replicas_are_published_by_haproxy_alone() -> None:
    assert "ports" not in services()["replica"]
    assert services()["haproxy"]["ports"] == ["${HAPROXY_PORT:-8080}:8080"]


def test_models_are_read_only_for_the_service_and_written_by_training() -> None:
    assert "${MODELS_FOLDER:-./models}:/models:ro" in services()["service"]["volumes"]
    assert "${MODELS_FOLDER:-./models}:/models" in services()["training"]["volumes"]


def test_every_container_has_limits_and_no_more_rights_than_it_needs() -> None:
    for name, each in services().items():
        assert each["read_only"] is True, name
        assert each["cap_drop"] == ["ALL"], name
        assert each["security_opt"] == ["no-new-privileges:true"], name
        assert {"cpus", "mem_limit"} <= each.keys(), name
    assert {each["user"] for each in ours().values()} == {"${USER_ID:-1000}:${GROUP_ID:-1000}"}


def test_a_folder_that_is_bound_is_in_every_clone() -> None:
    """Else the engine makes it, and it is root's."""
    volumes = [volume for each in services().values() for volume in each.get("volumes", ())]
    sources = [re.sub(r"^\$\{\w+:-(.+?)\}", r"\1", volume).split(":")[0] for volume in volumes]
    bound = {source for source in sources if source.startswith("./")}
    assert len(bound) > 4
    assert {source for source in bound if not (ROOT / source).exists()} == set()


def test_a_service_may_stop_for_as_long_as_it_takes() -> None:
    grace_s = float(examples()["STOP_GRACE_PERIOD"].removesuffix("s"))
    fields = Settings.model_fields
    assert grace_s >= fields["drain_delay_s"].default + fields["grace_s"].default + 1


def test_haproxy_waits_longer_than_the_service() -> None:
    timeout_s = float(examples()["SERVER_TIMEOUT"].removesuffix("s"))
    assert timeout_s > Settings.model_fields["deadline_s"].default


def test_images_are_pinned_and_every_target_is_there() -> None:
    targets = set(re.findall(r"^FROM .* AS (\S+)", (ROOT / "Dockerfile").read_text(), re.MULTILINE))
    asked = {examples()["SERVICE_TARGET"], "training"}
    asked |= {
        each["build"]["target"] for each in compose("docker-compose.gpu.yml")["services"].values()
    }
    assert asked | {"service-openvino"} <= targets
    images = [examples()[name] for name in examples() if name.endswith("_IMAGE")]
    assert [image for image in images if not re.search(r":[\w.-]*[\w]$", image)] == []
    assert not any(image.endswith(":latest") for image in images)


def test_a_gpu_is_reserved_where_one_is_asked_for() -> None:
    for each in compose("docker-compose.gpu.yml")["services"].values():
        (device,) = each["deploy"]["resources"]["reservations"]["devices"]
        assert device["capabilities"] == ["gpu"]
        assert each["environment"]["MIRAGE_PROVIDER"] == "cuda"
