"""The commands of `mirage`: what each does, and the function that runs it."""

from typing import NamedTuple


class Command(NamedTuple):
    """A line of the table.

    `function` is "module:name", imported only when its command is chosen. It takes the arguments,
    the command first, and the name of the program; it returns the exit code. Its module has
    `add_commands(add)`, which adds the parsers of all its commands, for shell completion.
    A group has commands of its own: its function takes what follows its name, and its module has
    `fill_parser(parser)` instead.
    """

    summary: str
    function: str
    group: bool = False


BUNDLE = "mirage.bundle.__main__:main"
CLIENT = "mirage.client.__main__:main"
SERVICE = "mirage.service.__main__:main"
TRAINING = "mirage.training.__main__:main"

COMMANDS = {
    "serve": Command("serve images over HTTP", SERVICE),
    "draw": Command("write a data set of images without a server", CLIENT),
    "generate": Command("write a data set of images that a server makes", CLIENT),
    "upscale": Command("enlarge pictures, in this process or by a server", CLIENT),
    "translate": Command("draw pictures in another style, in this process or by a server", CLIENT),
    "edit": Command("edit a picture with a model of a server", CLIENT),
    "models": Command("list the models of a server", CLIENT),
    "train": Command("train networks on a folder of images; run again to resume", TRAINING),
    "watch": Command("show a run in the browser while it trains", TRAINING),
    "evaluate": Command("score a run or a bundle beside real images", TRAINING),
    "report": Command("write the report of a run as a web page", TRAINING),
    "compare": Command("write a page with two generators of images side by side", TRAINING),
    "export": Command("publish a run as the next version of a model", TRAINING),
    "retrain": Command("train, evaluate, check and publish in one job", TRAINING),
    "sweep": Command("search for settings by many trainings", TRAINING),
    "encode": Command("train an encoder, from pictures to latents, of a model", TRAINING),
    "fit-direction": Command("name a latent direction that examples define", TRAINING),
    "bundle": Command("list, verify, release and remove versions of models", BUNDLE, group=True),
    "verify": Command("check a bundle and that the engine makes its golden images", SERVICE),
    "key": Command("make an API key for a server", SERVICE),
    "completion": Command("print the completion script of a shell", "mirage.completion:main"),
}
