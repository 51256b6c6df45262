"""Tests faults around the containers: each must be reported in one line.

For each case it shows the exit code and the relevant lines of standard error. Containers that
cannot start must exit; running services must keep serving.
"""

import json
import re
import sys
import time
import urllib.request
from hashlib import sha256

from stack import ROOT, SERVICE, Stack, answers, fresh_stack, give_away, run, wait_until
from training_killed import command, write_images

NOISE = re.compile(r"^(Creating |\d+$|Pulling |\S* ?\.\.\. ?$)")
SHIPPED = json.loads((ROOT / "models/mnist/release.json").read_text())["version"]
ROOM_KIB = 1000  # for the folders of a file system with just enough room for a store
KEY = "a key that everybody knows"


def attempt(stack: Stack, *arguments: str, **values: str) -> tuple[int, list[str]]:
    """Run a container with changed values in .env; returns exit code and output."""
    stack.set(**values)
    done = stack.compose("run", "--rm", "-T", *arguments, check=False, timeout=120)
    stack.set()
    lines = [line for line in done.stderr.splitlines() if line and not NOISE.match(line)]
    return done.returncode, lines


def broken_starts(stack: Stack) -> dict[str, tuple[int, list[str]]]:
    """A service that cannot start."""
    (stack.folder / "empty").mkdir()
    (stack.folder / "deploy/keys/broken").write_text("no key\n")
    give_away(stack.folder)
    return {
        "missing model": attempt(stack, "service", MIRAGE_DEFAULT_MODEL="none"),
        "no models": attempt(stack, "service", MODELS_FOLDER="./empty"),
        "bad setting": attempt(stack, "service", MIRAGE_LANES="0"),
        "broken keys": attempt(stack, "service", MIRAGE_KEYS_FILE="/keys/broken"),
        "no GPU": attempt(stack, "service", MIRAGE_PROVIDER="cuda"),
    }


def broken_training(stack: Stack) -> dict[str, tuple[int, list[str]]]:
    """A job that cannot write."""
    read_only = f"type=bind,src={stack.models},dst=/models,readonly"
    small = "type=tmpfs,dst=/models,tmpfs-size=60k"
    return {
        "read-only store": train_into(stack, read_only),
        "store of another user": attempt(stack, *command("new"), USER_ID="4321"),
        "full disk, training": train_into(stack, small),
        "full disk, release": full_disk_release(stack),
    }


def full_disk_release(stack: Stack) -> tuple[int, list[str]]:
    """A release on a full disk keeps the previous release."""
    files = [path for path in (stack.models / "mnist").rglob("*") if path.is_file()]
    size = sum(path.stat().st_size for path in files) // 1024 + ROOM_KIB
    script = (
        "cp -r /models/mnist /full/ && cat /dev/zero > /full/rest 2>/dev/null;"
        f" python -m bundle --models /full release mnist {SHIPPED}; code=$?;"
        " python -m bundle --models /full verify mnist >/dev/null && exit $code || exit 99"
    )
    command = ["docker", "run", "--rm", "--mount", f"type=tmpfs,dst=/full,tmpfs-size={size}k"]
    mount = ["-v", f"{stack.models}:/models:ro", "--entrypoint", "sh", "mirage:service"]
    done = run(*command, *mount, "-c", script, check=False, timeout=120)
    return done.returncode, done.stderr.splitlines()


def train_into(stack: Stack, store: str) -> tuple[int, list[str]]:
    """A job with another store."""
    _, *arguments = command("new")
    folders = [f"{stack.folder / name}:/{name}" for name in ("data", "runs")]
    volumes = [text for folder in folders for text in ("-v", folder)]
    container = ["docker", "run", "--rm", "--mount", store, *volumes, "mirage:training"]
    done = run(*container, *arguments, check=False)
    return done.returncode, [line for line in done.stderr.splitlines() if "%|" not in line]


def taken_port(stack: Stack) -> tuple[int, list[str]]:
    """The port is used by another container."""
    done = stack.compose("-p", f"{stack.folder.name}-2", "up", "-d", "service", check=False)
    stack.compose("-p", f"{stack.folder.name}-2", "down", check=False)
    return done.returncode, [line for line in done.stderr.splitlines() if "ERROR: for" in line][:1]


def no_driver(stack: Stack) -> tuple[int, list[str]]:
    """The compose file for GPUs on a machine without one; its image is not needed."""
    files = ("-f", "docker-compose.yml", "-f", "docker-compose.gpu.yml")
    stack.set(SERVICE_GPU_IMAGE="mirage:service", SERVICE_PORT="127.0.0.1:18001")
    name = f"{stack.folder.name}-3"
    done = stack.compose(*files, "-p", name, "up", "-d", "--no-build", "service", check=False)
    stack.compose(*files, "-p", name, "down", check=False)
    stack.set()
    return done.returncode, [line for line in done.stderr.splitlines() if "ERROR: for" in line][:1]


def goes_on_serving(stack: Stack) -> dict[str, bool]:
    """Faults around a running service, which must keep serving."""
    release = stack.models / "mnist/release.json"
    survived = {}
    for name, path, text in (
        ("keys broken later", stack.folder / "deploy/keys/keys", "no key\n"),
        ("release unreadable", release, "{"),
        ("release of a version that is not there", release, '{"version": 9, "previous": 1}'),
    ):
        before = path.read_text()
        path.write_text(text)
        time.sleep(4)  # it polls every second
        survived[name] = serves()
        path.write_text(before)
    return survived


def serves() -> bool:
    """Whether the shipped version generates images for a client with the key."""
    headers = {"x-api-key": KEY, "content-type": "application/json"}
    request = urllib.request.Request(f"{SERVICE}/generate", b'{"model": "mnist"}', headers)
    with urllib.request.urlopen(request, timeout=10) as answer:
        return bool(
            answer.headers["X-Model"] == f"mnist@{SHIPPED}" and answer.read(4) == b"\x89PNG"
        )


def start_with_key(stack: Stack) -> None:
    line = f"everybody {sha256(KEY.encode()).hexdigest()}\n"
    (stack.folder / "deploy/keys/keys").write_text(line)
    give_away(stack.folder / "deploy/keys")
    stack.set(MIRAGE_KEYS_FILE="/keys/keys")
    stack.compose("up", "-d", "service")
    wait_until("the service answers", lambda: answers(f"{SERVICE}/readyz"))


def tell(found: dict[str, tuple[int, list[str]]]) -> None:
    for name, (code, lines) in found.items():
        print(f"{name}: exit code {code}", *(f"    {line[:200]}" for line in lines[:6]), sep="\n")


def main() -> None:
    with fresh_stack("failures") as stack:
        write_images(stack)
        stack.compose("build", "service")
        stack.compose("--profile", "train", "build", "training")
        found = broken_starts(stack) | broken_training(stack)
        start_with_key(stack)
        found |= {"port taken": taken_port(stack), "no GPU driver": no_driver(stack)}
        tell(found)
        survived = goes_on_serving(stack)
    print(json.dumps({"codes": {name: code for name, (code, _) in found.items()}} | survived))
    silent = [name for name, (code, lines) in found.items() if code == 0 or not lines]
    sys.exit(f"not told: {silent}" if silent or not all(survived.values()) else 0)


if __name__ == "__main__":
    main()
