"""CPUs and instructions, from files as the kernel writes them."""

import os
import platform
import resource
import subprocess
import sys
from pathlib import Path

import pytest

from mirage.service.host import available_cpus, instruction_set, memory_bytes


@pytest.mark.parametrize(
    ("text", "cpus"), [("100000 100000\n", 1), ("50000 100000\n", 1), ("190000 100000\n", 1)]
)
def test_a_quota_limits_the_cpus_and_never_to_none(tmp_path: Path, text: str, cpus: int) -> None:
    (tmp_path / "cpu.max").write_text(text)
    assert available_cpus(tmp_path) == cpus


@pytest.mark.parametrize("text", ["max 100000\n", "nonsense", ""])
def test_without_a_quota_the_affinity_counts(tmp_path: Path, text: str) -> None:
    (tmp_path / "cpu.max").write_text(text)
    assert available_cpus(tmp_path) == len(os.sched_getaffinity(0))


def test_the_older_control_groups_are_read_too(tmp_path: Path) -> None:
    (tmp_path / "cpu").mkdir()
    (tmp_path / "cpu/cpu.cfs_quota_us").write_text("100000\n")
    (tmp_path / "cpu/cpu.cfs_period_us").write_text("100000\n")
    assert available_cpus(tmp_path) == 1


@pytest.fixture
def process(tmp_path: Path) -> Path:
    """A process in the group /machine/service, as /proc tells it."""
    path = tmp_path / "process"
    path.mkdir()
    (path / "cgroup").write_text(
        "3:memory:/\n2:cpu,cpuacct:/machine/service\n0::/machine/service\n"
    )
    return path


@pytest.mark.parametrize("limited", ["machine/service", "machine", "."])
def test_the_quota_of_the_own_group_or_of_one_around_it_counts(
    tmp_path: Path, process: Path, limited: str
) -> None:
    """As systemd sets it for a service, Kubernetes for a pod, and Docker for a container."""
    tree = tmp_path / "tree"
    (tree / "machine/service/other").mkdir(parents=True)
    for group in (tree, tree / "machine", tree / "machine/service"):
        (group / "cpu.max").write_text("max 100000\n")
    (tree / "machine/service/other/cpu.max").write_text("1000 100000\n")  # not this process'
    assert available_cpus(tree, process) == len(os.sched_getaffinity(0))
    (tree / limited / "cpu.max").write_text("100000 100000\n")
    assert available_cpus(tree, process) == 1


@pytest.mark.parametrize("folder", ["cpu", "cpu,cpuacct"])
def test_so_do_those_of_the_older_control_groups(
    tmp_path: Path, process: Path, folder: str
) -> None:
    group = tmp_path / "tree" / folder / "machine/service"
    group.mkdir(parents=True)
    (group / "cpu.cfs_quota_us").write_text("100000\n")
    (group / "cpu.cfs_period_us").write_text("100000\n")
    assert available_cpus(tmp_path / "tree", process) == 1


def test_a_container_sees_its_own_part_of_the_tree(tmp_path: Path, process: Path) -> None:
    tree = tmp_path / "tree"
    (tree / "service").mkdir(parents=True)
    (tree / "service/cpu.max").write_text("100000 100000\n")
    line = f"31 23 0:28 /machine {tree} rw,relatime - cgroup2 cgroup2 rw\n"
    (process / "mountinfo").write_text(line)
    assert available_cpus(tree, process) == 1


def test_only_instructions_that_matter_are_named(tmp_path: Path) -> None:
    cpuinfo = tmp_path / "cpuinfo"
    cpuinfo.write_text("processor\t: 0\nflags\t\t: fpu avx2 avx fma hypervisor\n")
    assert instruction_set(cpuinfo).split()[1:] == ["avx", "fma", "avx2"]


def test_an_unknown_machine_is_named_alone(tmp_path: Path) -> None:
    assert len(instruction_set(tmp_path / "absent").split()) == 1


def test_memory_is_what_is_no_mapped_file(tmp_path: Path) -> None:
    (tmp_path / "statm").write_text("5000 300 100 7 0 900 0\n")
    assert memory_bytes(tmp_path) == 200 * resource.getpagesize()


def test_where_nothing_is_told_it_is_unknown(tmp_path: Path) -> None:
    assert memory_bytes(tmp_path) == 0


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="mallopt is glibc's")
def test_large_blocks_go_back_to_the_system_whatever_lies_between_them() -> None:
    program = """
from mirage.service.host import memory_bytes, return_large_blocks
return_large_blocks()
block = b"x" * 4 * 2**20
del block  # by which glibc would raise its limit
before, blocks, between = memory_bytes(), [], []
for _ in range(20):
    blocks.append(b"x" * 3 * 2**20)
    between.append(bytearray(1000))
del blocks
print(memory_bytes() - before)
"""
    command = [sys.executable, "-c", program]
    kept = [
        int(subprocess.run([*command[:2], text], capture_output=True, check=True).stdout)
        for text in (program, program.replace("\nreturn_large_blocks()", ""))
    ]
    assert kept[0] < 3 * 2**20 < kept[1]
