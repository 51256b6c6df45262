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
from mirage.bundle.remote.models import RemoteModels
from mirage.bundle.remote.objects import open_objects
from mirage.bundle.remote.pull import pull
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
    pushing = add("push", "copy a version into object storage, where nobody sees half of it")
    pushing.set_defaults(act=_push)
    pushing.add_argument("name")
    pushing.add_argument("version", type=int)
    pushing.add_argument("url", metavar="URL")
    pushing.add_argument(
        "--next", action="store_true", help="under the next free number instead of its own"
    )
    pulling = add("pull", "copy the released versions out of object storage, verified")
    pulling.set_defaults(act=_pull)
    _add_source(pulling)
    pulling.add_argument(
        "--digest",
        type=_digest,
        metavar="sha256:…",
        help="of the manifest of the released version; others are refused. Needs one --model",
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
    copy = push_next if options.next else push
    pushed = copy(options.models, options.name, options.version, open_models(options.url))
    done = "was there already" if pushed.repeated else "pushed"
    yield f"{pushed.name}@{pushed.version}: {done}, manifest {pushed.digest}"


def _pull(options: argparse.Namespace) -> Iterator[str]:
    if options.digest and len(options.model) != 1:
        raise BundleError("name_invalid", "--digest is of one manifest; give one --model NAME, too")
    remote = open_models(options.url)
    names = options.model or remote.read_index().names
    if not names:
        raise BundleError("not_released", f"nothing is released in {options.url}")
    for name in names:
        pulled = pull(remote, options.to, name, options.digest)
        if pulled is None:
            raise BundleError("not_released", f"{name} has no released version in {options.url}")
        yield f"{name}: version {pulled.release.version} is released, manifest {pulled.digest}"


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
