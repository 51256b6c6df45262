"""A ZIP of pictures to a ZIP of larger ones; an entry that fails does so alone."""

from dataclasses import dataclass

from mirage.service.api.pictures.enlarge import Size, measure
from mirage.service.errors import ServiceError
from mirage.service.media.unzip import Unzip, check_name, enlarged_name
from mirage.service.settings import Settings

ERRORS = "errors.json"
# Entries that are under way at once: enough to fill batches with small ones.
AT_ONCE = 16
AT_ONCE_BYTES = 64 * 2**20  # of their decoded pictures


@dataclass
class Entry:
    """A picture of an archive: its name there and in the answer, its size, or why it fails."""

    number: int
    name: str
    renamed: str = ""
    size: Size = Size(0, 0)
    error: ServiceError | None = None


def survey(archive: Unzip, settings: Settings) -> list[Entry]:
    """Read the names and the headers of all entries; what is wrong with one is its own error."""
    entries, taken = [], {ERRORS}
    for number, name in enumerate(archive.names()):
        entry = Entry(number, name)
        try:
            entry.renamed = enlarged_name(check_name(name), taken)
            entry.size = measure(archive.read(number), settings)
            taken.add(entry.renamed)
        except ServiceError as error:
            entry.error = error
        entries.append(entry)
    return entries
