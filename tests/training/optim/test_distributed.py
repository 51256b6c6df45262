"""Functions over several processes, here two that have joined one group by themselves."""

import json
import os
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch

from mirage.training.optim.distributed import (
    any_of,
    average,
    average_each,
    average_gradients,
    from_rank_0,
    is_launched,
    own_part,
    rank,
    reports,
    together,
    world_size,
)

PROGRAM = """
import json, os, torch
from mirage.training.errors import DataError, TrainingError
from mirage.training.optim.distributed import *

def fail(error):
    raise error

def failure(error):
    try:
        from_rank_0(lambda: fail(error))
    except Exception as raised:
        return [type(raised).__name__, str(raised)]

with together():
    images, network = (3, 1)[rank()], torch.nn.Linear(2, 1, bias=False)
    network.weight.grad = torch.tensor([[1.0, 10.0]]) * (rank() + 1)
    average_gradients(network, images)
    statistics = {"both": float(rank()), f"of {rank()}": 5.0}
    print(json.dumps({
        "gradient": network.weight.grad.tolist(),
        "average": average(torch.tensor(float(rank()))).item(),
        "statistics": average_each(statistics, images),
        "any": [any_of(False), any_of(rank() == 1)],
        "part": [own_part(7).start, own_part(7).stop],
        "told": from_rank_0(lambda: {"by": rank(), "tensor": torch.ones(2)})["by"],
        "errors": [failure(DataError("bad")), failure(OSError("full"))],
        "reports": reports(),
    }))
"""


@pytest.fixture(scope="module")
def both() -> list[dict[str, Any]]:
    """What each of the two processes has found."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    group = {"WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port)}
    common = {**os.environ, **group, "PYTHONPATH": str(Path(__file__).parents[3])}
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", PROGRAM],
            env={**common, "RANK": str(number)},
            stdout=subprocess.PIPE,
            text=True,
        )
        for number in range(2)
    ]
    printed = [process.communicate(timeout=300)[0] for process in processes]
    return [json.loads(text) for text in printed]


def test_gradients_are_averaged_over_images(both: list[dict[str, Any]]) -> None:
    assert [found["gradient"] for found in both] == [[[1.25, 12.5]]] * 2


def test_a_plain_average_is_over_processes(both: list[dict[str, Any]]) -> None:
    assert [found["average"] for found in both] == [0.5, 0.5]


def test_statistics_are_averaged_over_the_processes_that_have_them(
    both: list[dict[str, Any]],
) -> None:
    assert [found["statistics"] for found in both] == [{"both": 0.25, "of 0": 5.0}] * 2


def test_a_flag_of_one_process_counts_for_all(both: list[dict[str, Any]]) -> None:
    assert [found["any"] for found in both] == [[False, True]] * 2


def test_parts_of_a_batch_differ_by_at_most_one_image(both: list[dict[str, Any]]) -> None:
    assert [found["part"] for found in both] == [[0, 3], [3, 7]]


def test_results_and_errors_of_rank_0_reach_all(both: list[dict[str, Any]]) -> None:
    first, second = both
    assert (first["told"], second["told"]) == (0, 0)
    assert first["errors"] == [["DataError", "bad"], ["OSError", "full"]]
    assert second["errors"] == [
        ["DataError", "process 0: bad"],
        ["TrainingError", "process 0: full"],
    ]


def test_rank_0_reports(both: list[dict[str, Any]]) -> None:
    assert [found["reports"] for found in both] == [True, False]


def test_one_process_is_trivial() -> None:
    with together():
        assert (rank(), world_size(), reports(), is_launched()) == (0, 1, True, False)
        value = torch.ones(2)
        assert average(value, 3) is value
        assert average_each({"loss": 0.1}, 1) == {"loss": 0.1}
        assert any_of(True)
        assert not any_of(False)
        assert own_part(7) == slice(0, 7)
        assert from_rank_0(lambda: value) is value
        network = torch.nn.Linear(2, 1)
        network(value).sum().backward()
        before = network.weight.grad.clone()
        average_gradients(network, 3)
        assert torch.equal(network.weight.grad, before)
