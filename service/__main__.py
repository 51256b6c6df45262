"""`python -m service` serves; `python -m service verify BUNDLE` replays golden images."""

import argparse
import contextlib
import logging
import sys
from collections.abc import Sequence
from pathlib import Path

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from service.settings import PREFIX, Settings, read_settings

DONE, CRASHED, USAGE, BAD_DATA, GATE_REFUSED = range(5)


def main(arguments: Sequence[str]) -> int:
    """Run the command line; returns the exit code."""
    if arguments[:1] == ["verify"]:
        return _verify(arguments[1:])
    try:
        settings = read_settings(arguments)
    except ValidationError as error:
        return _fail("; ".join(map(_describe, error.errors())), USAGE)
    except ValueError as error:
        return _fail(str(error), USAGE)
    return _serve(settings)


def _serve(settings: Settings) -> int:
    # Here, so that a wrong flag is told at once.
    from service.models import StartError
    from service.server import PortError, serve

    logging.basicConfig(
        level=settings.log_level.upper(), format="%(asctime)s %(levelname)s %(name)s: %(message)s"
    )
    try:
        with contextlib.suppress(KeyboardInterrupt):  # before it is ready; the server takes others
            serve(settings)
    except PortError as error:
        return _fail(str(error), CRASHED)
    except StartError as error:
        return _fail(str(error), BAD_DATA)
    return DONE


def _verify(arguments: Sequence[str]) -> int:
    """Verify a bundle statically, then replay its golden images through the engine."""
    parser = argparse.ArgumentParser(prog="python -m service verify", description=_verify.__doc__)
    parser.add_argument("bundle", type=Path, help="folder models/<name>/<version>")
    path = parser.parse_args(arguments).bundle
    from bundle.errors import BundleError
    from bundle.verify import load_bundle
    from service.engine import Engine, EngineError
    from service.processor import available_cpus
    from service.replay import replay_golden

    try:
        bundle = load_bundle(path)
        deviation = replay_golden(Engine(bundle, "cpu", available_cpus()), bundle.golden)
    except (BundleError, EngineError) as error:
        return _fail(str(error), BAD_DATA)
    if not deviation.passes:
        return _fail(f"the golden images differ: {deviation}", GATE_REFUSED)
    print(f"{bundle.manifest.name}@{bundle.manifest.version} verified: {deviation}")
    return DONE


def _describe(error: ErrorDetails) -> str:
    """A wrong setting by its variable's name, its value and what is allowed."""
    name = PREFIX + ".".join(map(str, error["loc"])).upper()
    return f"{name} is {error['input']!r:.100}; {error['msg'][:1].lower()}{error['msg'][1:]}"


def _fail(message: str, code: int) -> int:
    print(f"error: {message}", file=sys.stderr)
    return code


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
