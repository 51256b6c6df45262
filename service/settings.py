"""Every setting of the service: an environment variable, a flag, a bound and a unit each."""

import os
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, field_validator
from pydantic_settings import (
    BaseSettings,
    CliApp,
    NoDecode,
    SettingsConfigDict,
    SettingsError,
)

PREFIX = "MIRAGE_"
# What Kubernetes puts into the environment for Services named `mirage` or `mirage-…`; names that
# end in PORT are such only with an address.
LINK_NAME = re.compile(
    rf"{PREFIX}(\w+_)?"
    r"(SERVICE_HOST|SERVICE_PORT(_\w+)?|PORT_[0-9]+_(TCP|UDP|SCTP)(_(PROTO|PORT|ADDR))?)"
)
LINK_PORT, LINK_ADDRESS = re.compile(rf"{PREFIX}(\w+_)?PORT"), re.compile("(tcp|udp|sctp)://.*")
Share = Annotated[int | None, Field(ge=1, le=256)]
Origin = Annotated[str, Field(pattern=r"^(\*|https?://[^/\s]+)$")]


class Settings(BaseSettings):
    """Serve images of trained generators over HTTP.

    Each flag is also an environment variable: --max-batch-size is MIRAGE_MAX_BATCH_SIZE. A flag
    wins over the variable. `python -m service verify BUNDLE` replays the golden images of a bundle;
    `python -m service key NAME` makes an API key.
    """

    model_config = SettingsConfigDict(
        env_prefix=PREFIX,
        env_ignore_empty=True,
        extra="forbid",
        frozen=True,
        cli_prog_name="python -m service",
        cli_kebab_case=True,
        cli_hide_none_type=True,
    )

    host: str = Field("127.0.0.1", description="address or name to listen on; 0.0.0.0 for all")
    port: int = Field(8000, ge=0, le=65535, description="port to listen on; 0 for any free one")
    root_path: str = Field(
        "",
        max_length=200,
        pattern=r"^(/[A-Za-z0-9._~-]+)*$",
        description="path prefix that a proxy takes away from requests, such as /mirage; for links",
    )
    models: Path = Field(Path("models"), description="folder of the bundles")
    default_model: str | None = Field(
        None, description="model that answers when a request names none; none: the only released"
    )
    provider: Literal["auto", "cpu", "openvino", "cuda"] = Field(
        "auto", description="onnxruntime execution provider; auto: the quickest that works"
    )
    precision: Literal["auto", "float32", "tensorfloat32", "float16", "bfloat16"] = Field(
        "auto", description="of the engine's numbers; auto: the quickest that passes golden replay"
    )
    workers: int | None = Field(
        None,
        ge=1,
        le=64,
        description="processes that share connections, threads and queue; none: one per CPU, 8 at"
        " most",
    )
    lanes: int | None = Field(
        None,
        ge=1,
        le=64,
        description="sessions side by side, per model and worker; none: one per CPU of the worker,"
        " 8 at most, or per GPU of it",
    )
    gpus: int = Field(1, ge=1, le=64, description="GPUs that the workers' lanes are spread over")
    gpu_bytes: int | None = Field(
        None, ge=1, description="most of a GPU's memory that a lane takes; none: what it needs"
    )
    threads: Share = Field(None, description="compute threads of all lanes; none: the CPUs allowed")
    encode_threads: Share = Field(None, description="encoding threads; none: the CPUs allowed")
    compression: Literal["none", "fast", "small"] = Field(
        "fast", description="of PNGs; small: fewer bytes for many times the work; none: stored"
    )
    max_batch_size: int = Field(
        32, ge=1, le=4096, description="most images per engine call; fewer where more are slower"
    )
    linger_ms: float = Field(
        2, ge=0, le=1000, description="longest wait of a free lane for just answered clients"
    )
    images_per_request: int = Field(256, ge=1, le=65536, description="most images of one request")
    frames_per_request: int = Field(
        256, ge=2, le=65536, description="most frames of one interpolation"
    )
    queue_images: int = Field(
        1024, ge=1, le=10**6, description="most images that wait, per model version"
    )
    queue_megapixels: float = Field(
        256, gt=0, le=10**6, description="most 10^6 pixels that wait, per model version"
    )
    megapixels_per_request: float = Field(64, gt=0, le=10**5, description="most 10^6 pixels of one")
    body_bytes: int = Field(8 * 2**20, ge=1024, le=2**30, description="most bytes of a body")
    json_bytes: int = Field(
        2**20, ge=1024, le=2**26, description="most bytes of JSON; latents as octets may have more"
    )
    json_items: int = Field(
        70_000,
        ge=1000,
        le=10**7,
        description="most commas, colons and brackets of JSON, which are parsed at one go",
    )
    connections_per_worker: int = Field(
        4096,
        ge=1,
        le=10**6,
        description="most open connections of a process, fewer where the limit on open files is"
        " lower; further ones wait",
    )
    deadline_s: float = Field(
        30, gt=0, le=3600, description="longest time to an answer; X-Deadline-Ms may shorten it"
    )
    head_timeout_s: float = Field(
        10, gt=0, le=3600, description="longest time for the head of a request to arrive"
    )
    body_timeout_s: float = Field(
        30, gt=0, le=3600, description="longest time for the body of a request to arrive"
    )
    write_timeout_s: float = Field(
        30, gt=0, le=3600, description="longest time in which a client reads nothing of its answer"
    )
    keep_alive_s: float = Field(
        75,
        gt=0,
        le=3600,
        description="longest time between two requests of a connection; let it be longer than that"
        " of a proxy before the service",
    )
    drain_delay_s: float = Field(
        2, ge=0, le=600, description="time to go on serving, not ready, after SIGTERM or SIGHUP"
    )
    grace_s: float = Field(
        25,
        gt=0,
        le=3600,
        description="longest time to finish what is in flight after the drain delay",
    )
    stuck_s: float = Field(
        60,
        gt=0,
        le=3600,
        description="a run of the engine that takes longer fails /healthz, or ends its worker",
    )
    heartbeat_s: float = Field(
        30,
        ge=1,
        le=3600,
        description="a worker whose event loop is blocked for longer is replaced",
    )
    release_poll_s: float = Field(
        1, gt=0, le=3600, description="time between two looks at what is released"
    )
    on_demand_versions: int = Field(
        4, ge=1, le=1000, description="most unreleased versions in memory; least used go first"
    )
    keys_file: Path | None = Field(
        None, description="file of API keys, which `key NAME` adds to; none: no key is asked for"
    )
    images_per_minute: int | None = Field(
        None,
        ge=1,
        le=10**9,
        description="most images a minute for each key, or client address without keys; none: any",
    )
    cors_origins: Annotated[tuple[Origin, ...], NoDecode] = Field(
        (), description="origins whose pages may call, with commas between, or *; none: no other"
    )
    log_format: Literal["text", "json"] = Field("text", description="of the lines of the log")
    log_level: Literal["debug", "info", "warning", "error"] = Field("info", description="logged")

    @field_validator("cors_origins", mode="before")
    @classmethod
    def _split(cls, value: object) -> object:
        """A text with commas is a list."""
        return [part.strip() for part in value.split(",")] if isinstance(value, str) else value


def service_links() -> list[str]:
    """The variables of the environment that Kubernetes made of Services, which are no settings."""
    return sorted(
        name
        for name, value in os.environ.items()
        if LINK_NAME.fullmatch(name)
        or (LINK_PORT.fullmatch(name) and LINK_ADDRESS.fullmatch(value))
    )


def read_settings(arguments: Sequence[str]) -> Settings:
    """Read the settings from flags and the environment, which loses the links to Services.

    Raises ValueError (pydantic's, or naming the unknown variable) for settings that are not
    allowed; exits with 2 and a usage line for flags that do not exist.
    """
    for name in service_links():
        del os.environ[name]  # MIRAGE_PORT=tcp://… would be taken for the setting
    known = {PREFIX + name.upper() for name in Settings.model_fields}
    unknown = sorted(name for name in os.environ if name.startswith(PREFIX) and name not in known)
    if unknown:
        raise ValueError(f"{unknown[0]} is no setting; allowed are {', '.join(sorted(known))}")
    try:
        return CliApp.run(Settings, cli_args=list(arguments))
    except SettingsError as error:
        raise ValueError(str(error)) from None
