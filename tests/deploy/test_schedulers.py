"""The files for KServe, JobSet, Slurm and Ray agree with the commands and with each other."""

import os
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from mirage.service.app import create_app
from mirage.service.settings import Settings
from mirage.training.errors import LockedError, StoppedError
from tests.deploy.chart.helm import VERSIONS, faults
from tests.deploy.exit_codes import FINAL

DEPLOY = Path(__file__).parents[2] / "deploy"
SLURM = DEPLOY / "slurm.sh"
SRUN = """#!/bin/sh
echo "srun $*" >> "$ASKED"
[ "$1" = --kill-on-bad-exit=1 ] || exec "$@"
shift
SLURM_PROCID=0 SLURM_LOCALID=0 "$@"
exit "$ENDS_WITH"
"""
SCONTROL = """#!/bin/sh
echo "scontrol $*" >> "$ASKED"
[ "$1" != show ] || printf 'node1\\nnode2\\n'
"""
MIRAGE = """#!/bin/sh
echo "mirage $* of $MASTER_ADDR rank $RANK of $WORLD_SIZE, local $LOCAL_RANK" >> "$ASKED"
"""


def documents(file: str) -> list[dict[str, Any]]:
    return list(yaml.safe_load_all((DEPLOY / file).read_text()))


def jobset() -> tuple[dict[str, Any], dict[str, Any]]:
    """The set, and its only job."""
    found = documents("jobset.yaml")[0]
    (job,) = found["spec"]["replicatedJobs"]
    return found, job


def slurm(folder: Path, *arguments: str, ends_with: int = 0, restarts: int = 0) -> list[str]:
    """Run slurm.sh with programs of the test's own; returns which commands it ran."""
    (folder / "bin").mkdir()
    for name, text in (("srun", SRUN), ("scontrol", SCONTROL), ("mirage", MIRAGE)):
        (folder / "bin" / name).write_text(text)
        (folder / "bin" / name).chmod(0o755)
    environment = {
        "PATH": f"{folder / 'bin'}{os.pathsep}{os.environ['PATH']}",
        "ASKED": str(folder / "asked"),
        "ENDS_WITH": str(ends_with),
        "SLURM_JOB_ID": "17",
        "SLURM_JOB_NODELIST": "node[1-2]",
        "SLURM_NTASKS": "2",
        "SLURM_CPUS_PER_TASK": "2",
        "SLURM_RESTART_COUNT": str(restarts),
    }
    command = ["bash", str(SLURM), *arguments]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60)
    assert done.returncode == ends_with, done.stderr
    return (folder / "asked").read_text().splitlines()


def test_slurm_draws_the_part_of_its_task(tmp_path: Path) -> None:
    asked = slurm(tmp_path, "draw", "mnist", "-o", "two words/")
    assert asked[0] == "srun mirage draw mnist -o two words/"


def test_slurm_trains_a_process_for_each_task(tmp_path: Path) -> None:
    asked = slurm(tmp_path, "train", "--data", "two words", "--run", "runs/mine")
    assert asked[0] == "scontrol show hostnames node[1-2]"
    trained = "mirage train --data two words --run runs/mine of node1 rank 0 of 2, local 0"
    assert asked[2:] == [trained]


@pytest.mark.parametrize("code", [StoppedError.exit_code, LockedError.exit_code, 137])
def test_slurm_continues_a_training_that_ended_early(tmp_path: Path, code: int) -> None:
    assert slurm(tmp_path, "train", ends_with=code)[-1] == "scontrol requeue 17"


@pytest.mark.parametrize("code", sorted(FINAL))
def test_slurm_does_not_repeat_what_would_end_in_the_same_way(tmp_path: Path, code: int) -> None:
    assert "scontrol requeue 17" not in slurm(tmp_path, "train", ends_with=code)


def test_slurm_gives_up_after_ten_restarts(tmp_path: Path) -> None:
    assert "scontrol requeue 17" not in slurm(tmp_path, "train", ends_with=1, restarts=10)


def test_slurm_says_how_it_is_called() -> None:
    done = subprocess.run(["bash", str(SLURM)], capture_output=True, text=True, timeout=60)
    assert done.returncode == 2
    assert [line.split()[0] for line in done.stderr.splitlines()] == ["sbatch", "sbatch"]


def test_slurm_script_is_bash() -> None:
    subprocess.run(["bash", "-n", str(SLURM)], check=True, timeout=60)
    assert os.access(SLURM, os.X_OK)


def test_ray_example_compiles_and_stays_small() -> None:
    text = (DEPLOY / "ray_draw.py").read_text()
    compile(text, "ray_draw.py", "exec")
    assert len(text.splitlines()) <= 35


def test_a_set_of_jobs_restarts_together_unless_that_cannot_help() -> None:
    found, job = jobset()
    policy = found["spec"]["failurePolicy"]
    assert policy["maxRestarts"] == 10
    assert policy["rules"] == [
        {"action": "FailJobSet", "onJobFailureReasons": ["PodFailurePolicy"]}
    ]
    spec = job["template"]["spec"]
    (rule,) = spec["podFailurePolicy"]["rules"]
    assert set(rule["onExitCodes"]["values"]) == FINAL
    (container,) = spec["template"]["spec"]["containers"]
    assert rule["onExitCodes"]["containerName"] == container["name"]
    assert (spec["backoffLimit"], spec["template"]["spec"]["restartPolicy"]) == (0, "Never")


def test_the_processes_of_a_set_find_each_other() -> None:
    found, job = jobset()
    spec = job["template"]["spec"]
    (container,) = spec["template"]["spec"]["containers"]
    variables = {each["name"]: each.get("value") for each in container["env"]}
    assert int(variables["WORLD_SIZE"] or 0) == spec["completions"] == spec["parallelism"]
    name = found["metadata"]["name"]
    assert variables["MASTER_ADDR"] == f"{name}-{job['name']}-0-0.{name}"
    assert found["spec"]["network"] == {"enableDNSHostnames": True}
    policy = documents("jobset.yaml")[1]["spec"]
    assert policy["podSelector"]["matchLabels"] == spec["template"]["metadata"]["labels"]


@pytest.mark.parametrize("version", VERSIONS)
def test_the_job_of_the_set_is_valid(version: str) -> None:
    _, job = jobset()
    head = {"apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": job["name"]}}
    text = yaml.safe_dump_all([{**head, **job["template"]}, documents("jobset.yaml")[1]])
    assert faults(text, version) == []


def test_kserve_asks_paths_that_the_service_has() -> None:
    runtime, served = documents("kserve.yaml")
    (container,) = runtime["spec"]["containers"]
    paths = create_app(Settings()).openapi()["paths"]
    probes = [container[f"{kind}Probe"]["httpGet"] for kind in ("startup", "readiness", "liveness")]
    assert {probe["path"] for probe in probes} <= paths.keys()
    (port,) = container["ports"]
    assert {probe["port"] for probe in probes} == {port["containerPort"]}
    predictor = served["spec"]["predictor"]
    assert predictor["model"]["runtime"] == runtime["metadata"]["name"]
    assert predictor["enableServiceLinks"] is False
    fields = Settings.model_fields
    needed = fields["drain_delay_s"].default + fields["grace_s"].default + 1
    assert predictor["terminationGracePeriodSeconds"] >= needed


def test_no_file_names_an_image_without_a_tag() -> None:
    images = re.findall(r"image: (\S+)", "".join(f.read_text() for f in DEPLOY.glob("*.yaml")))
    assert images
    assert [image for image in images if ":" not in image] == []
