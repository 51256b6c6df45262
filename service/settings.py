"""The settings of the service: flags and environment variables, with bounds and units."""

import argparse
import os
import re
from collections.abc import Sequence
from inspect import cleandoc
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, SecretStr, field_validator
from pydantic_settings import (
    BaseSettings,
    CliApp,
    CliSettingsSource,
    NoDecode,
    SettingsConfigDict,
    SettingsError,
)

PREFIX = "MIRAGE_"
# Variables that Kubernetes sets for Services named `mirage` or `mirage-…`. Names that end in PORT
# count only if their value is an address.
LINK_NAME = re.compile(
    rf"{PREFIX}(\w+_)?"
    r"(SERVICE_HOST|SERVICE_PORT(_\w+)?|PORT_[0-9]+_(TCP|UDP|SCTP)(_(PROTO|PORT|ADDR))?)"
)
LINK_PORT, LINK_ADDRESS = re.compile(rf"{PREFIX}(\w+_)?PORT"), re.compile("(tcp|udp|sctp)://.*")
METAVARS = {"str": "TEXT", "int": "N", "float": "X", "Path": "PATH", "tuple[str,...]": "LIST"}
NO_DEFAULT = re.compile(r" \(default: (null|\(\)|)\)$")
REDIS_SCHEMES = ("redis://", "rediss://", "unix://")
Share = Annotated[int | None, Field(ge=1, le=256)]
Origin = Annotated[str, Field(pattern=r"^(\*|https?://[^/\s]+)$")]


class Settings(BaseSettings):
    """Serve images of trained generators over HTTP.

    Each flag is also an environment variable: --max-batch-size is MIRAGE_MAX_BATCH_SIZE. A flag
    takes precedence.
    """

    model_config = SettingsConfigDict(
        env_prefix=PREFIX,
        env_ignore_empty=True,
        extra="forbid",
        frozen=True,
        cli_kebab_case=True,
        cli_hide_none_type=True,
    )

    host: str = Field("127.0.0.1", description="address or name to listen on; 0.0.0.0 for all")
    port: int = Field(8000, ge=0, le=65535, description="port to listen on; 0 for any free one")
    root_path: str = Field(
        "",
        max_length=200,
        pattern=r"^(/[A-Za-z0-9._~-]+)*$",
        description="path prefix that a proxy strips from requests, such as /mirage; used in links",
    )
    models: Path = Field(Path("models"), description="folder of the model bundles")
    default_model: str | None = Field(
        None, description="model for requests that name none; default: the only released model"
    )
    provider: Literal["auto", "cpu", "openvino", "cuda"] = Field(
        "auto", description="onnxruntime execution provider; auto: the fastest that works"
    )
    precision: Literal["auto", "float32", "tensorfloat32", "float16", "bfloat16"] = Field(
        "auto",
        description="precision of the engine; auto: the fastest that passes the golden check",
    )
    workers: int | None = Field(
        None,
        ge=1,
        le=64,
        description="worker processes, which share connections, threads and queue; default: one per"
        " CPU, at most 8",
    )
    lanes: int | None = Field(
        None,
        ge=1,
        le=64,
        description="engines per model and worker; default: one per CPU of the worker, at most 8,"
        " or one per GPU",
    )
    gpus: int = Field(1, ge=1, le=64, description="GPUs to use")
    gpu_bytes: int | None = Field(
        None, ge=1, description="most GPU memory of an engine; default: what it needs"
    )
    threads: Share = Field(
        None, description="compute threads of all engines; default: the available CPUs"
    )
    encode_threads: Share = Field(
        None, description="threads that encode images; default: the available CPUs"
    )
    compression: Literal["none", "fast", "small"] = Field(
        "fast", description="PNG compression; small: fewer bytes for many times the CPU time"
    )
    max_batch_size: int = Field(
        32, ge=1, le=4096, description="most images of a batch; fewer if larger batches are slower"
    )
    linger_ms: float = Field(
        2,
        ge=0,
        le=1000,
        description="longest wait of an unfilled batch for clients that were just answered",
    )
    images_per_request: int = Field(256, ge=1, le=65536, description="most images of a request")
    frames_per_request: int = Field(
        256, ge=2, le=65536, description="most frames of an interpolation"
    )
    queue_images: int = Field(
        1024, ge=1, le=10**6, description="most queued images per model version"
    )
    queue_megapixels: float = Field(
        256, gt=0, le=10**6, description="most queued pixels per model version, in 10^6"
    )
    megapixels_per_request: float = Field(
        64, gt=0, le=10**5, description="most pixels of a request, in 10^6"
    )
    tile: int = Field(
        256,
        ge=16,
        le=2048,
        description="side of the tiles that pictures are cut into, in pixels; larger if a model's"
        " halo is large",
    )
    picture_megapixels: float = Field(
        16, gt=0, le=10**5, description="most pixels of a posted picture, in 10^6"
    )
    picture_bytes: int = Field(
        32 * 2**20, ge=1024, le=2**30, description="most bytes of a picture or a ZIP of pictures"
    )
    picture_memory_bytes: int = Field(
        512 * 2**20,
        ge=2**20,
        le=2**40,
        description="most bytes of posted and decoded pictures in memory; a single picture may"
        " exceed it",
    )
    picture_deadline_s: float = Field(
        120, gt=0, le=3600, description="like deadline_s, for requests with pictures"
    )
    body_bytes: int = Field(
        8 * 2**20, ge=1024, le=2**30, description="most bytes of a request body"
    )
    json_bytes: int = Field(
        2**20,
        ge=1024,
        le=2**26,
        description="most bytes of a JSON body; binary latents may have more",
    )
    json_items: int = Field(
        70_000,
        ge=1000,
        le=10**7,
        description="most commas, colons and brackets of a JSON body, which is parsed at once",
    )
    connections_per_worker: int = Field(
        4096,
        ge=1,
        le=10**6,
        description="most open connections of a worker, fewer if the limit on open files is lower;"
        " further ones wait",
    )
    deadline_s: float = Field(
        30, gt=0, le=3600, description="longest time to answer; X-Deadline-Ms can shorten it"
    )
    head_timeout_s: float = Field(
        10, gt=0, le=3600, description="longest time for the head of a request to arrive"
    )
    body_timeout_s: float = Field(
        30, gt=0, le=3600, description="longest time for the body of a request to arrive"
    )
    write_timeout_s: float = Field(
        30,
        gt=0,
        le=3600,
        description="longest time in which a client reads nothing of its response",
    )
    keep_alive_s: float = Field(
        75,
        gt=0,
        le=3600,
        description="longest time between two requests of a connection; set it longer than that of"
        " a proxy in front of the service",
    )
    drain_delay_s: float = Field(
        2,
        ge=0,
        le=600,
        description="time to continue serving after SIGTERM or SIGHUP, while not ready",
    )
    grace_s: float = Field(
        25,
        gt=0,
        le=3600,
        description="longest time to finish requests after the drain delay",
    )
    stuck_s: float = Field(
        60,
        gt=0,
        le=3600,
        description="a batch that runs longer, or encoding threads that all do, fail /healthz, or"
        " end their worker",
    )
    heartbeat_s: float = Field(
        30,
        ge=1,
        le=3600,
        description="a worker whose event loop is blocked for longer is replaced",
    )
    release_poll_s: float = Field(
        1, gt=0, le=3600, description="time between two polls for changed releases"
    )
    on_demand_versions: int = Field(
        4,
        ge=1,
        le=1000,
        description="most unreleased versions in memory; the least recently used go first",
    )
    keys_file: Path | None = Field(
        None, description="file of API keys, which `key NAME` appends to; default: no keys required"
    )
    images_per_minute: int | None = Field(
        None,
        ge=1,
        le=10**9,
        description="most images per minute of each key, or client address if there are no keys;"
        " default: unlimited",
    )
    limits_url: SecretStr | None = Field(
        None,
        description="Redis that counts images per minute for all replicas, such as"
        " redis://host:6379/0; default: each replica counts for itself",
    )
    cors_origins: Annotated[tuple[Origin, ...], NoDecode] = Field(
        (), description="origins of other sites that may call, separated by commas, or *"
    )
    log_format: Literal["text", "json"] = Field("text", description="format of the log")
    log_level: Literal["debug", "info", "warning", "error"] = Field(
        "info", description="lowest level of the log"
    )

    @field_validator("cors_origins", mode="before")
    @classmethod
    def _split(cls, value: object) -> object:
        """Split a string at commas."""
        return [part.strip() for part in value.split(",")] if isinstance(value, str) else value


def service_links() -> list[str]:
    """Return the environment variables that Kubernetes set for Services."""
    return sorted(
        name
        for name, value in os.environ.items()
        if LINK_NAME.fullmatch(name)
        or (LINK_PORT.fullmatch(name) and LINK_ADDRESS.fullmatch(value))
    )


def add_flags(parser: argparse.ArgumentParser) -> CliSettingsSource[Settings]:
    """Add a flag for each setting to a parser; returns what reads them."""
    parser.description = cleandoc(Settings.__doc__ or "")
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    return CliSettingsSource(Settings, root_parser=parser, add_argument_method=_add_flag)


def _add_flag(container: argparse.ArgumentParser, *names: str, **options: Any) -> argparse.Action:
    """Add one flag, whose value and default are not described in terms of Python."""
    if (kind := options.get("metavar")) in METAVARS:
        options["metavar"] = METAVARS[kind]
    options["help"] = NO_DEFAULT.sub("", options["help"])
    return container.add_argument(*names, **options)


def read_settings(
    arguments: Sequence[str], prog: str = "python -m service", epilog: str | None = None
) -> Settings:
    """Read the settings from flags and the environment, and remove Kubernetes' variables.

    `prog` and `epilog` appear in the help. Raises ValueError for invalid values and unknown
    variables. Exits with code 2 and a usage line for unknown flags.
    """
    for name in service_links():
        del os.environ[name]  # MIRAGE_PORT=tcp://… would be read as the setting
    known = {PREFIX + name.upper() for name in Settings.model_fields}
    unknown = sorted(name for name in os.environ if name.startswith(PREFIX) and name not in known)
    if unknown:
        raise ValueError(f"{unknown[0]} is not a setting; allowed are {', '.join(sorted(known))}")
    flags = add_flags(argparse.ArgumentParser(prog, epilog=epilog, allow_abbrev=False))
    try:
        settings = CliApp.run(Settings, cli_args=list(arguments), cli_settings_source=flags)
    except SettingsError as error:
        raise ValueError(str(error)) from None
    # Not a validator: its error would show the URL, which may hold a password.
    url = settings.limits_url
    if url and not url.get_secret_value().startswith(REDIS_SCHEMES):
        raise ValueError(
            f"{PREFIX}LIMITS_URL begins with none of {', '.join(REDIS_SCHEMES)}, such as"
            " redis://host:6379/0"
        )
    return settings
