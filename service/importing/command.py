"""The options of `import`, and what it prints."""

import argparse
import math
import sys
from collections.abc import Sequence
from pathlib import Path

from mirage.bundle.errors import BundleError

DONE, USAGE, GATE_REFUSED = 0, 2, 4
MAX_NAMES_BYTES = 4 * 2**20
EPILOG = """\
Latents are standard normal. Several models have further inputs: give them a value with --set, as
in --set truncation=0.7.
"""


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the options and the function that runs the command."""
    add = parser.add_argument
    parser.epilog = EPILOG
    add("file", type=Path, help="an ONNX file; external data lie beside it")
    add("--to", type=Path, required=True, metavar="models/NAME", help="the folder of the model")
    add("--license", required=True, help="of the model, such as cc-by-4.0")
    add("--latents", metavar="INPUT", help="float32 [N, D] or [N, D, 1, 1]")
    add("--labels", metavar="INPUT", help="class indices, or one-hot")
    add("--images", metavar="OUTPUT", help="default: the only output")
    add("--range", type=_range, metavar="BLACK:WHITE", help="of float images, such as -1:1")
    add("--layout", choices=["nchw", "nhwc"], help="default: where the 1, 3 or 4 channels are")
    names = parser.add_mutually_exclusive_group()
    names.add_argument("--classes", type=int, metavar="C", help="the number of classes")
    names.add_argument("--class-names", type=Path, metavar="FILE", help="a name in each line")
    add(
        "--set",
        type=_setting,
        action="append",
        default=[],
        metavar="INPUT=VALUE",
        help="a number for another input; may be given several times",
    )
    add("--data", default="not stated", help="what the model was trained on, for its card")
    add("--credits", type=Path, metavar="FILE", help="Markdown for the card, naming the authors")
    parser.set_defaults(command=run)


def joined_range(arguments: Sequence[str]) -> list[str]:
    """Join `--range -1:1` to `--range=-1:1`, since argparse takes `-1:1` for an option."""
    joined: list[str] = []
    for argument in arguments:
        if joined and joined[-1] == "--range":
            joined[-1] = f"--range={argument}"
        else:
            joined.append(argument)
    return joined


def run(options: argparse.Namespace) -> int:
    """Import a generator; returns the exit code. Raises BundleError."""
    # Imported here, so that wrong flags are reported without delay.
    from mirage.service.importing.card import Origin
    from mirage.service.importing.errors import ChoiceError, ReplayError
    from mirage.service.importing.importer import import_generator
    from mirage.service.importing.ports import Choices

    choices = Choices(
        latents=options.latents,
        labels=options.labels,
        images=options.images,
        value_range=options.range,
        layout=options.layout,
        classes=options.classes,
        class_names=tuple(_lines(options.class_names)),
        fixed=dict(options.set),
    )
    credits_text = _text(options.credits) if options.credits else ""
    origin = Origin(options.license, options.data, credits_text)
    try:
        imported = import_generator(options.file, options.to, choices, origin)
    except (ChoiceError, ReplayError) as error:
        print(f"error: {error}", file=sys.stderr)
        return GATE_REFUSED if isinstance(error, ReplayError) else USAGE
    for note in imported.notes:
        print(f"note: {note}", file=sys.stderr)
    name, version = imported.path.parent.name, imported.path.name
    print(f"{name}@{version}: imported and verified")
    print(f"release it: mirage bundle release {name} {version} --models {options.to.parent}")
    return DONE


def _range(text: str) -> tuple[float, float]:
    try:
        black, white = map(float, text.split(":"))
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is not BLACK:WHITE, such as -1:1") from None
    if not (math.isfinite(black) and math.isfinite(white) and black != white):
        raise argparse.ArgumentTypeError(f"{text!r} are not two different finite numbers")
    return black, white


def _setting(text: str) -> tuple[str, float]:
    name, _, value = text.rpartition("=")
    try:
        if name and math.isfinite(number := float(value)):
            return name, number
    except ValueError:
        pass
    raise argparse.ArgumentTypeError(f"{text!r} is not INPUT=VALUE with a finite number")


def _lines(path: Path | None) -> list[str]:
    return _text(path).splitlines() if path else []


def _text(path: Path) -> str:
    with path.open("rb") as file:
        raw = file.read(MAX_NAMES_BYTES + 1)
    if len(raw) > MAX_NAMES_BYTES:
        raise BundleError("file_too_large", f"{path} has over {MAX_NAMES_BYTES} bytes, the limit")
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError:
        raise BundleError("file_unreadable", f"{path} is not UTF-8") from None
