"""The commands `push`, `pull` and `follow`, and `--at URL` of others."""

import argparse
import re
import signal
import sys
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from types import FrameType
from typing import NoReturn

from mirage.bundle.errors import BundleError
from mirage.bundle.format.manifest import Manifest
from mirage.bundle.remote.follow import Follower
from mirage.bundle.remote.hub.pull import pull_from_hub
from mirage.bundle.remote.hub.push import push_to_hub
from mirage.bundle.remote.models import RemoteManifest, RemoteModels
from mirage.bundle.remote.objects import is_hub, open_objects
from mirage.bundle.remote.pull import check_digest, pull, pull_version
from mirage.bundle.remote.push import push, push_next
from mirage.bundle.store.release import Release
from mirage.bundle.store.report import table_of

POLL_TIMEOUT_S = 20.0  # of each request of `follow`
DIGEST = re.compile(r"sha256:[0-9a-f]{64}")
MAX_EVERY_S = 3600.0


def open_models(url: str) -> RemoteModels:
    """The models under a URL; raises like `open_objects`."""
    return RemoteModels(open_objects(url))


def add_at(parser: argparse.ArgumentParser) -> None:
    """Add `--at URL`, which is None unless it is given."""
    parser.add_argument("--at", metavar="URL", help="in object storage instead of --models")


def add_commands(add: Callable[..., argparse.ArgumentParser]) -> None:
    """Add the parsers; each sets `act`, whose lines the caller prints as they come."""
    pushing = add(
        "push",
        "copy a version into object storage or the Hugging Face Hub, where nobody sees half of it",
    )
    pushing.set_defaults(act=_push)
    pushing.add_argument("name")
    pushing.add_argument("version", type=int)
    pushing.add_argument("url", metavar="URL")
    pushing.add_argument(
        "--next", action="store_true", help="under the next free number instead of its own"
    )
    pulling = add(
        "pull", "copy the released versions out of object storage, or the newest of hf://, verified"
    )
    pulling.set_defaults(act=_pull)
    _add_source(pulling)
    pulling.add_argument(
        "--digest",
        type=_digest,
        metavar="sha256:…",
        help="of the manifest of the released version; others are refused. Needs one --model",
    )
    pulling.add_argument(
        "--version",
        type=int,
        metavar="N",
        help="copy this version, released or not, and leave the release here; needs one --model",
    )
    following = add("follow", "do the same again and again, beside a service")
    following.set_defaults(act=_follow)
    _add_source(following)
    following.add_argument(
        "--every", type=_interval, default=5.0, metavar="SECONDS", help="between polls; default: 5"
    )
    following.add_argument(
        "--ready", type=Path, metavar="FILE", help="a file to make once all models are there"
    )
    following.add_argument(
        "--keep",
        type=int,
        metavar="N",
        help="remove versions here that are neither released nor among the N newest",
    )


def table_at(url: str) -> str:
    """A table of all versions in object storage."""
    remote = open_models(url)
    return table_of(
        (
            name,
            remote.list_versions(name),
            partial(_release, remote, name),
            partial(_manifest, remote, name),
        )
        for name in remote.list_models()
    )


def _add_source(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("url", metavar="URL")
    parser.add_argument(
        "--to", type=Path, default=Path("models"), metavar="DIR", help="default: ./models"
    )
    parser.add_argument(
        "--model",
        action="append",
        default=[],
        metavar="NAME",
        help="only this model; may be given several times. Default: all that are released",
    )


def _digest(text: str) -> str:
    if not DIGEST.fullmatch(text):
        raise argparse.ArgumentTypeError(f"{text!r} is not sha256: and 64 hexadecimal digits")
    return text


def _interval(text: str) -> float:
    if not 0 < (seconds := float(text)) <= MAX_EVERY_S:
        raise argparse.ArgumentTypeError(f"{text} is not in 0 … {MAX_EVERY_S:g}")
    return seconds


def _push(options: argparse.Namespace) -> Iterator[str]:
    version = options.models, options.name, options.version
    if is_hub(options.url):
        pushed = push_to_hub(*version, options.url, free=options.next)
    else:
        copy = push_next if options.next else push
        pushed = copy(*version, open_models(options.url))
    done = "was there already" if pushed.repeated else "pushed"
    yield f"{pushed.name}@{pushed.version}: {done}, manifest {pushed.digest}"


def _pull(options: argparse.Namespace) -> Iterator[str]:
    if is_hub(options.url):
        yield _pull_from_hub(options)
        return
    for flag in ("digest", "version"):
        if getattr(options, flag) is not None and len(options.model) != 1:
            raise BundleError("name_invalid", f"--{flag} is of one model; give one --model, too")
    remote = open_models(options.url)
    if options.version is not None:
        (name,) = options.model
        yield _pull_version(remote, options.to, name, options.version, options.digest)
        return
    names = options.model or remote.read_index().names
    if not names:
        raise BundleError("not_released", f"nothing is released in {options.url}")
    for name in names:
        pulled = pull(remote, options.to, name, options.digest)
        if pulled is None:
            raise BundleError("not_released", f"{name} has no released version in {options.url}")
        yield f"{name}: version {pulled.release.version} is released, manifest {pulled.digest}"


def _pull_from_hub(options: argparse.Namespace) -> str:
    if len(options.model) > 1:
        raise BundleError("name_invalid", f"{options.url} holds one model; give one --model")
    name = options.model[0] if options.model else None
    found = pull_from_hub(options.url, options.to, name, options.version, options.digest)
    return _told(found)


def _pull_version(
    remote: RemoteModels, root: Path, name: str, version: int, digest: str | None
) -> str:
    found = remote.read_manifest(name, version)
    check_digest(found, digest)
    pull_version(remote, root, found)
    return _told(found)


def _told(found: RemoteManifest) -> str:
    manifest = found.manifest
    return f"{manifest.name}: version {manifest.version} is here, manifest {found.digest}"


def _follow(options: argparse.Namespace) -> NoReturn:
    objects = open_objects(options.url, timeout_s=POLL_TIMEOUT_S, retries=1)
    follower = Follower(
        RemoteModels(objects),
        options.to,
        _log,
        names=options.model,
        ready=options.ready,
        keep=options.keep,
    )
    options.to.mkdir(parents=True, exist_ok=True)
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, _end)  # also in the middle of a copy, whose draft is removed
    follower.run(options.every)


def _end(number: int, frame: FrameType | None) -> NoReturn:
    raise SystemExit(0)


def _log(line: str) -> None:
    stamp = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    print(f"{stamp} {line}", file=sys.stderr, flush=True)


def _release(remote: RemoteModels, name: str) -> Release | None:
    found = remote.read_release(name)
    return found.release if found else None


def _manifest(remote: RemoteModels, name: str, version: int) -> Manifest:
    return remote.read_manifest(name, version).manifest
