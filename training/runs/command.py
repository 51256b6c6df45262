"""The command that trains a run, which resumes it too."""

import os
import shlex
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Command:
    """arguments: with the program first. folder: where it was run; paths are relative to it."""

    arguments: tuple[str, ...]
    folder: str

    @classmethod
    def of(cls, content: Any) -> "Command":
        """The command of a JSON document; raises ValueError."""
        arguments, folder = _field(content, "arguments"), _field(content, "folder")
        if not isinstance(arguments, list) or not arguments or not isinstance(folder, str):
            raise ValueError(f"{content!r:.200} is not a command")
        return cls(tuple(map(str, arguments)), folder)

    def __str__(self) -> str:
        """One line for a shell, which works in every folder."""
        return f"cd {shlex.quote(self.folder)} && {shlex.join(self.arguments)}"


def _field(content: Any, name: str) -> Any:
    return content.get(name) if isinstance(content, dict) else None


def this_command(environment: Mapping[str, str] = os.environ) -> Command:
    """The command of this process as it was typed; with `torchrun` if that started it."""
    arguments = tuple(sys.orig_argv)
    if "TORCHELASTIC_RUN_ID" in environment and "-m" in arguments:
        module = arguments[arguments.index("-m") + 1 :]
        processes = environment["LOCAL_WORLD_SIZE"]
        arguments = ("torchrun", "--nproc-per-node", processes, "-m", "--", *module)
    return Command(arguments, str(Path.cwd()))
