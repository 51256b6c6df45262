"""What networks can be trained to do, by name: one file per task."""

from mirage.training.tasks import generate, upscale
from mirage.training.tasks.task import Task

TASKS: dict[str, Task] = {"generate": generate.TASK, "upscale": upscale.TASK}
