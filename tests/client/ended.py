"""Commands in processes of their own that end at a chosen point."""

import subprocess
import sys

# The process exits instead of renaming a file.
KILLED_BEFORE_A_RENAME = """
import os, signal, sys
from mirage.client.__main__ import main
left, replace = int(sys.argv[1]), os.replace
def replace_or_die(source, target):
    global left
    left -= 1
    if left < 0:
        os.kill(os.getpid(), signal.SIGKILL)
    replace(source, target)
os.replace = replace_or_die
sys.exit(main(sys.argv[2:]))
"""


def ended(program: str, limit: int, arguments: list[str]) -> int:
    """The exit code of a command in its own process; negative for a signal."""
    command = [sys.executable, "-c", program, str(limit), *arguments]
    return subprocess.run(command, check=False, stderr=subprocess.DEVNULL).returncode
