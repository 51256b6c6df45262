"""Tests three replicas under 32 clients: one is killed, then all are replaced without errors.

Run it as root on the machine of the Docker engine: it kills a process of a container.
"""

import asyncio
import json
import os
import signal
import time
from datetime import UTC, datetime

from load import Load, under_load
from stack import HAPROXY, Stack, answers, fresh_stack, healthy, run, wait_until

REPLICAS, CLIENTS, PAUSE_S = 3, 32, 5
SETTINGS = {"REPLICAS": str(REPLICAS), "SERVICE_CPUS": "1"}


def start(stack: Stack) -> None:
    stack.compose("--profile", "scale", "up", "-d", "--build", "haproxy")
    containers = stack.containers("replica")
    assert len(containers) == REPLICAS
    wait_until("all replicas are healthy", lambda: all(map(healthy, containers)))
    wait_until("HAProxy answers", lambda: answers(f"{HAPROXY}/readyz"))


def kill_one(stack: Stack) -> None:
    """Kill the process in a container; unlike `docker kill`, the engine restarts it."""
    victim = stack.containers("replica")[0]
    os.kill(int(run("docker", "inspect", "-f", "{{.State.Pid}}", victim).stdout), signal.SIGKILL)
    wait_until("the engine has started it again", lambda: healthy(victim))


def disturb(stack: Stack) -> None:
    time.sleep(PAUSE_S)
    print(f"{datetime.now(UTC):%H:%M:%S} killing one of", REPLICAS)
    kill_one(stack)
    time.sleep(PAUSE_S)
    print(f"{datetime.now(UTC):%H:%M:%S} replacing all")
    before = set(stack.containers("replica"))
    print(run("sh", str(stack.folder / "deploy/roll.sh"), cwd="/").stdout, end="")
    after = set(stack.containers("replica"))
    assert len(after) == REPLICAS
    assert not before & after
    time.sleep(PAUSE_S)


async def main() -> None:
    load = Load(port=int(HAPROXY.rpartition(":")[2]))
    with fresh_stack("rolling", SETTINGS) as stack:
        start(stack)
        await under_load(load, CLIENTS, asyncio.ensure_future(asyncio.to_thread(disturb, stack)))
        if load.errors:
            print(stack.logs("haproxy"))
    print(json.dumps({"replicas": REPLICAS, "clients": CLIENTS, **load.summary()}))


if __name__ == "__main__":
    asyncio.run(main())
