import sys
from pathlib import Path

import numpy as np
import pytest

from mirage.training.config import build_config
from mirage.training.errors import UsageError
from mirage.training.loop import train
from mirage.training.tensorboard import Board
from tests.training.data import TINY, shapes_dataset


def test_says_what_is_missing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", None)
    with pytest.raises(UsageError, match=r"needs TensorBoard: pip install"):
        Board(tmp_path, 0)


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # TensorBoard's own
def test_curves_and_grids_can_be_read_by_tensorboard(tmp_path: Path) -> None:
    pytest.importorskip("tensorboard", reason="needs the extra tensorboard")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    config = build_config("mnist", {**TINY, "kimg": 0.048})
    run = train(config, shapes_dataset(), tmp_path / "run", threads=1, tensorboard=True)
    events = EventAccumulator(str(run.board))
    events.Reload()
    assert [event.step for event in events.Scalars("d_loss")] == [16, 32, 48]
    assert {"margin", "spread", "lr"} <= set(events.Tags()["scalars"])
    assert [event.step for event in events.Images("samples")] == [0, 32, 48]
    assert np.isfinite([event.value for event in events.Scalars("g_loss")]).all()
