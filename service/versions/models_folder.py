"""The folder of models, which must exist before anything is read from it."""

from pathlib import Path

from mirage.service.errors import StartError


def check_models_folder(root: Path) -> None:
    """Raise StartError, with what to do, if there is no folder at `root`."""
    if not root.is_dir():
        raise StartError(
            f"there is no folder of models at {root.absolute()}; run the command in a checkout of "
            "Mirage, or name another folder with --models"
        )
