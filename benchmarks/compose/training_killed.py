"""Tests that killed retraining containers resume, and that the store stays complete.

Each job is killed once at a random moment and restarted, while a service follows the store. The
service must serve every model in the end. Weights and graphs must equal those of an uninterrupted
job.
"""

import argparse
import json
import random
import time

import numpy as np
from PIL import Image
from stack import SERVICE, Stack, answers, fresh_stack, get_json, give_away, run, wait_until

KILLS = 10
SETTINGS = {"SERVICE_CPUS": "1", "TRAINING_CPUS": "1"}
RECIPE = {
    **{"kimg": 0.064, "widths": "16,8", "hidden": 16, "latent_dim": 8, "batch_size": 8},
    **{"precision": "float32", "status_kimg": 0.016, "snapshot_kimg": 0.032},
    "checkpoint_kimg": 0.016,
}
OPEN_GATE = ["--min-agreement=0", "--min-coverage=0", "--max-frechet-ratio=1e9"]


def write_images(stack: Stack) -> None:
    """200 images of 8x8 pixels with a square; the class is the half of its position."""
    rng = np.random.default_rng(0)
    for number in range(200):
        image, left = np.zeros((8, 8), np.uint8), number % 2 * 4
        image[rng.integers(0, 5) :, left : left + rng.integers(2, 4)] = rng.integers(128, 256)
        path = stack.folder / "data/squares" / ("left", "right")[number % 2] / f"{number:03}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(image).save(path)
    give_away(stack.folder / "data")


def command(model: str) -> list[str]:
    settings = [f"--set={name}={value}" for name, value in RECIPE.items()]
    target = ["--data", "data/squares", "--to", f"models/{model}", "--threads", "1", "--release"]
    return ["training", "retrain", *target, *settings, *OPEN_GATE]


def complete(stack: Stack, model: str) -> str:
    """Run a job until it finishes; returns the hash of the released graph."""
    done = stack.compose("run", "--rm", *command(model))
    result = json.loads(done.stdout.strip().splitlines()[-1])
    assert result["outcome"] == "released", result
    assert result["version"] == 1, result
    return str(result["model_sha256"])


def kill_after(stack: Stack, model: str, seconds: float) -> bool:
    """Start a job and kill it; returns whether it was still running."""
    stack.compose("run", "-d", "--name", model, *command(model))
    time.sleep(seconds)
    killed = run("docker", "kill", model, check=False).returncode == 0
    run("docker", "rm", "-f", model)
    return killed


def sound(stack: Stack) -> bool:
    """Whether every visible version is complete."""
    return stack.compose("run", "--rm", "bundle", "verify", check=False).returncode == 0


def stage(stack: Stack, model: str) -> str:
    """The progress that the job reports."""
    found = list((stack.folder / "runs").glob(f"{model}-*/result.json"))
    return str(json.loads(found[0].read_text())["stage"]) if found else "start"


def measure(stack: Stack, kills: int, moments: random.Random) -> dict[str, object]:
    stack.compose("up", "-d", "--build", "service")
    stack.compose("--profile", "train", "build", "training")
    wait_until("the service answers", lambda: answers(f"{SERVICE}/readyz"))
    started = time.monotonic()
    whole = complete(stack, "whole")
    took_s = time.monotonic() - started
    stages = []
    while len(stages) < kills:
        model = f"killed-{len(stages)}"
        after_s = moments.uniform(0.1, 1) * took_s
        if not kill_after(stack, model, after_s):
            took_s *= 0.95
            stack.compose("run", "--rm", "--entrypoint", f"rm -r models/{model}", "training")
            continue
        stages.append(stage(stack, model))
        print(f"killed after {after_s:.1f} s, in {stages[-1]}; sound: {sound(stack)}", flush=True)
        assert sound(stack)
        assert complete(stack, model) == whole
    wanted = {"mnist", "whole", *(f"killed-{number}" for number in range(kills))}
    wait_until("the service answers with all", lambda: released() == wanted, timeout_s=10)
    return {"kills": kills, "job_s": round(took_s, 1), "stages": stages, "sound": sound(stack)}


def released() -> set[str]:
    listed = get_json(f"{SERVICE}/models")["models"]
    return {model["name"] for model in listed if model["released"]}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=KILLS)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    with fresh_stack("killed", SETTINGS) as stack:
        write_images(stack)
        print(json.dumps(measure(stack, options.kills, random.Random(options.seed))))


if __name__ == "__main__":
    main()
