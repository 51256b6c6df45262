"""What the processes of a group must agree on before they train together."""

from mirage.training.config import TrainConfig
from mirage.training.errors import UsageError
from mirage.training.optim.distributed import from_rank_0, rank
from mirage.training.runs.run_dir import Run
from mirage.training.tasks.task import Data


def settle(config: TrainConfig, data: Data, run: Run) -> TrainConfig:
    """Write the configuration of rank 0, which holds for all; raises UsageError for other data.

    Other processes cannot know it, because a resumed run keeps the schedules that it began with.
    """

    def write() -> tuple[str, str]:
        run.write_config(config, data.sheet())
        return config.model_dump_json(), data.fingerprint

    settled, fingerprint = from_rank_0(write)
    if data.fingerprint != fingerprint:
        raise UsageError(
            f"process {rank()} has other data than process 0: fingerprint {data.fingerprint}, not "
            f"{fingerprint}; give all processes the same"
        )
    return config if rank() == 0 else TrainConfig.model_validate_json(settled)
