"""Draw the parts of a data set on a Ray cluster, by `mirage draw` on its nodes: an example.

    python deploy/ray_draw.py 100 mnist --version 2 --seed 7 --count 1e6 -o s3://bucket/digits

The first argument is the number of parts. Only exit codes pass through Ray. A part whose node is
lost is drawn again; shards that exist are kept.
"""

import subprocess
import sys

import ray

CPUS = 2
"""Of a part."""


@ray.remote(num_cpus=CPUS, max_retries=6, retry_exceptions=[subprocess.CalledProcessError])
def draw(part: int, of: int, arguments: list[str]) -> None:
    command = ["mirage", "draw", *arguments, "--part", str(part), "--of", str(of)]
    subprocess.run(command, check=True)


if __name__ == "__main__":
    parts = int(sys.argv[1])
    ray.init()
    waiting = [draw.remote(part, parts, sys.argv[2:]) for part in range(parts)]
    while waiting:
        done, waiting = ray.wait(waiting)
        ray.get(done)
        sys.stderr.write(f"{parts - len(waiting)} of {parts} parts\n")
