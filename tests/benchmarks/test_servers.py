import sys
from argparse import ArgumentParser, Namespace
from pathlib import Path

import pytest

from benchmarks.serving.servers import ServerError, add_options, command_of, row_of, running

GRAPH = Path("/models/mnist/7/model.onnx")
FOUND = {"requests": 100, "refused": 0, "errors": 0, "seconds": 2.0, "p50_ms": 1.0, "p99_ms": 2.0}


def options(*arguments: str) -> Namespace:
    parser = ArgumentParser()
    add_options(parser)
    return parser.parse_args(arguments)


def test_flags_go_to_the_service_those_of_a_variant_last() -> None:
    chosen = options("--flags", "--log-level warning")
    command = command_of("mirage --lanes 1", GRAPH, 9, chosen)
    assert command[:3] == [sys.executable, "-m", "service"]
    assert command[3:7] == ["--models", "/models", "--default-model", "mnist"]
    assert command[-4:] == ["--log-level", "warning", "--lanes", "1"]


def test_another_server_has_its_own_environment_and_gets_no_flags() -> None:
    chosen = options("--flags", "--log-level warning", "--peers", "/peers")
    command = command_of("bentoml", GRAPH, 9, chosen)
    assert command[0] == "/peers/bin/python"
    assert command[-2:] == ["--port", "9"]


def test_what_is_refused_is_no_image() -> None:
    row = row_of(FOUND | {"refused": 40, "errors": 50}, images=16)
    assert row["images_s"] == 16 * 60 / 2
    assert row["error"] == "50 errors beside 60 answers"


def test_without_errors_there_is_none() -> None:
    assert row_of(FOUND, images=1) == {"images_s": 50.0, "errors": 0, "p50_ms": 1.0, "p99_ms": 2.0}


def test_no_answer_is_an_error() -> None:
    with pytest.raises(ServerError, match="no answer within 2 s"):
        row_of(FOUND | {"requests": 0}, images=1)


def test_a_server_that_is_not_installed_is_an_error(tmp_path: Path) -> None:
    chosen = options("--peers", str(tmp_path))
    with pytest.raises(ServerError, match="No such file"), running("mosec", GRAPH, chosen):
        pass
