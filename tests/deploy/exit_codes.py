"""Exit codes of jobs."""

from mirage.training.errors import (
    CollapseError,
    DataError,
    ExportError,
    GateError,
    UsageError,
)

FINAL = {
    error.exit_code for error in (UsageError, DataError, ExportError, GateError, CollapseError)
}
"""Those after which the same command would end in the same way again."""
