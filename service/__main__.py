"""The command line of the service: `serve`, the default, `verify` and `key`."""

import argparse
import contextlib
import logging
import os
import signal
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from mirage.service.settings import PREFIX, Settings, add_flags, read_settings, service_links

log = logging.getLogger(__name__)

PROG = "python -m service"
OTHERS = ("verify", "key")  # the commands besides `serve`
DONE, CRASHED, USAGE, BAD_DATA, GATE_REFUSED = range(5)
Add = Callable[..., argparse.ArgumentParser]


def main(arguments: Sequence[str] | None = None, prog: str = PROG) -> int:
    """Run a command and return the exit code; without the name of one, serve."""
    words = sys.argv[1:] if arguments is None else arguments
    # Set before onnxruntime is imported, which otherwise reports every session to Microsoft.
    os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
    # Unset before prometheus_client is imported: the workers get a directory of their own.
    os.environ.pop("PROMETHEUS_MULTIPROC_DIR", None)
    if words[:1] == ["serve"]:
        return _serve(words[1:], f"{prog} serve")
    if not words or words[0].startswith("-"):
        return _serve(words, prog, f"Other commands: {', '.join(OTHERS)}; each has --help.")
    parser = argparse.ArgumentParser(prog)
    add_commands(parser.add_subparsers(required=True, metavar="COMMAND").add_parser)
    options = parser.parse_args(words)
    command: Callable[[argparse.Namespace], int] = options.command
    return command(options)


def add_commands(add: Add) -> None:
    """Add the parsers; `add` is the method `add_parser` of subparsers."""
    add_flags(add("serve", help="serve images over HTTP"))
    _add_verify(add("verify", help=_verify.__doc__, description=_verify.__doc__))
    _add_key(add("key", help=_make_key.__doc__, description=_make_key.__doc__))


def _serve(arguments: Sequence[str], prog: str, epilog: str | None = None) -> int:
    links = service_links()
    try:
        settings = read_settings(arguments, prog, epilog)
    except ValidationError as error:
        return _fail("; ".join(map(_describe, error.errors())), USAGE)
    except ValueError as error:
        return _fail(str(error), USAGE)
    return _serve_with(settings, links)


def _serve_with(settings: Settings, links: list[str]) -> int:
    _set_signals()
    # Imported here, so that wrong flags are reported without delay.
    from mirage.service.errors import KeysError, StartError
    from mirage.service.processes.launch import HostError, PortError, serve
    from mirage.service.processes.supervisor import WorkerFailed
    from mirage.service.telemetry.logging import configure_logging, log_uncaught
    from mirage.service.telemetry.stderr import unblock_stderr

    unblock_stderr()
    configure_logging(settings)
    log_uncaught()
    if links:
        log.info("variables of Kubernetes Services ignored: %s", ", ".join(links))
    try:
        with contextlib.suppress(KeyboardInterrupt):  # later ones are handled by the server
            return serve(settings)
    except WorkerFailed as error:
        return _fail(str(error), error.code)
    except HostError as error:
        return _fail(str(error), USAGE)
    except PortError as error:
        return _fail(str(error), CRASHED)
    except (StartError, KeysError) as error:
        return _fail(str(error), BAD_DATA)
    return DONE


def _set_signals() -> None:
    """Exit at once on signals to stop, until the server handles them, and ignore others.

    Until then there are no requests to finish, and the threads that load models cannot be stopped.
    """
    signal.signal(signal.SIGTERM, lambda *_: os._exit(DONE))
    if signal.getsignal(signal.SIGHUP) != signal.SIG_IGN:  # as nohup leaves it
        signal.signal(signal.SIGHUP, lambda *_: os._exit(DONE))
    for number in (signal.SIGUSR1, signal.SIGUSR2):
        signal.signal(number, signal.SIG_IGN)


def _add_verify(parser: argparse.ArgumentParser) -> None:
    parser.set_defaults(command=_verify)
    parser.add_argument("bundle", type=Path, help="folder models/<name>/<version>")


def _verify(options: argparse.Namespace) -> int:
    """Verify the files of a bundle, then check that the engine makes its golden images."""
    from mirage.bundle.errors import BundleError
    from mirage.bundle.format.verify import load_bundle
    from mirage.service.engines.engine import Engine, optimized
    from mirage.service.engines.providers import ProviderConfig
    from mirage.service.engines.session import EngineError
    from mirage.service.host import available_cpus
    from mirage.service.versions.loading import golden_check

    try:
        bundle = load_bundle(options.bundle)
        config = ProviderConfig("cpu")
        engine = Engine(optimized(bundle, config), config, threads=available_cpus())
        deviation = golden_check(engine, bundle.golden)
    except (BundleError, EngineError) as error:
        return _fail(str(error), BAD_DATA)
    if not deviation.passes:
        return _fail(f"the golden images differ: {deviation}", GATE_REFUSED)
    print(f"{bundle.manifest.name}@{bundle.manifest.version} verified: {deviation}")
    return DONE


def _add_key(parser: argparse.ArgumentParser) -> None:
    parser.set_defaults(command=_make_key)
    parser.add_argument("name", help="whose key it is, for the log")
    variable = f"{PREFIX}KEYS_FILE"
    file = os.environ.get(variable)
    parser.add_argument(
        "--keys-file", type=Path, default=file, required=not file, help=f"default: ${variable}"
    )


def _make_key(options: argparse.Namespace) -> int:
    """Make an API key, print it this once, and append its hash to the file of keys."""
    from mirage.service.api.security.auth import add_key
    from mirage.service.errors import KeysError

    try:
        print(add_key(options.keys_file, options.name))
    except KeysError as error:
        return _fail(str(error), BAD_DATA)
    except ValueError as error:
        return _fail(str(error), USAGE)
    return DONE


def _describe(error: ErrorDetails) -> str:
    """Describe an invalid setting: the variable, its value, and what is allowed."""
    name = PREFIX + ".".join(map(str, error["loc"])).upper()
    return f"{name} is {error['input']!r:.100}; {error['msg'][:1].lower()}{error['msg'][1:]}"


def _fail(message: str, code: int) -> int:
    print(f"error: {message}", file=sys.stderr)
    return code


if __name__ == "__main__":
    sys.exit(main())
