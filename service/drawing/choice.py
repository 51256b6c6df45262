"""Finds the bundle of a model in a folder of models."""

from pathlib import Path

from mirage.bundle.format.manifest import Task
from mirage.bundle.format.verify import read_manifest
from mirage.bundle.store.layout import list_models, version_path
from mirage.bundle.store.release import readable_release
from mirage.service.errors import StartError
from mirage.service.versions.models_folder import check_models_folder

DOES: dict[Task, str] = {
    "generate": "make images",
    "upscale": "enlarge pictures",
    "translate": "translate pictures",
}


def choose_bundle(root: Path, name: str | None, version: int | None, task: Task) -> Path:
    """The folder of a version; raises StartError and BundleError.

    `name` is by default the only released model with the task, `version` the released one.
    """
    check_models_folder(root)
    name = _only_model(root, task) if name is None else name
    if ((run := root / name) / "config.json").exists():
        publish = f"mirage export {run} --to models/{name}"
        raise StartError(f"{run} is a run; publish it first: {publish}")
    if version is None:
        released = readable_release(root, name)
        if released is None:
            raise StartError(f"no version of {name} is released; name one")
        version = released.version
    return version_path(root, name, version)


def _only_model(root: Path, task: Task) -> str:
    names = []
    for name in list_models(root):
        released = readable_release(root, name)
        if released and read_manifest(version_path(root, name, released.version)).task == task:
            names.append(name)
    if len(names) != 1:
        shown = ", ".join(names) or "none"
        raise StartError(f"name a model; those in {root} that {DOES[task]} are: {shown}")
    return names[0]
