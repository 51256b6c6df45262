"""All tasks by name."""

from mirage.training.tasks import generate, translate, upscale
from mirage.training.tasks.task import Task

TASKS: dict[str, Task] = {
    "generate": generate.TASK,
    "upscale": upscale.TASK,
    "translate": translate.TASK,
}
