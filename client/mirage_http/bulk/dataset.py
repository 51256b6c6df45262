"""What a dataset in shards consists of: its place, plan and record."""

from dataclasses import asdict, dataclass, replace
from pathlib import Path

from ..errors import DatasetError
from ..record import Record, agree, parse_record
from ..resolve import DatasetOptions, resolve
from ..source import Source
from .bucket import open_bucket
from .parquet_shards import import_pyarrow
from .place import FolderPlace, Place, claim
from .plan import FORMATS, PLAN, RECORD, SHARD_SIZE, Plan, parse_plan
from .shards import Shards, make_shards

PATIENCE_S = 300.0  # while a store cannot be reached; the first requests of a command do not wait


@dataclass(frozen=True)
class Dataset:
    """A dataset in shards at `output`, a folder or a URL."""

    output: Path | str
    plan: Plan
    record: Record

    def open_place(self) -> Place:
        """Open the place of its files."""
        return open_place(self.output, PATIENCE_S)

    def open_shards(self) -> Shards:
        """The format of its files."""
        return make_shards(self.plan.format, self.record)


def open_place(output: Path | str, patience_s: float = 0) -> Place:
    """The folder or URL of a dataset; raises DatasetError."""
    if isinstance(output, Path):
        return FolderPlace(output)
    return open_bucket(output, patience_s)


def begin_dataset(
    output: Path | str, source: Source, wanted: DatasetOptions, count: int, format: str | None
) -> Dataset:
    """Write the plan and the record of a dataset, or compare them with those that exist.

    Several processes may begin the same dataset at the same time. Raises DatasetError that names
    what differs.
    """
    place, plan_path, path = open_place(output), f"{output}/{PLAN}", f"{output}/{RECORD}"
    occupied = any(place.exists(Plan(each, 1, 1).name(0)) for each in FORMATS)
    raw_plan, raw = place.read(PLAN), place.read(RECORD)
    if occupied and raw_plan is None:  # a plan is older than all shards
        raise DatasetError(f"{output} has shards that this command did not write")
    default = parse_plan(raw_plan, plan_path) if raw_plan else Plan("tar", count, SHARD_SIZE)
    plan = Plan(format or default.format, count, wanted.shard_size or default.shard_size)
    wanted = replace(wanted, shard_size=plan.shard_size)
    record = _record(source, wanted, plan, parse_record(raw, path) if raw else None)
    found_plan = parse_plan(claim(place, PLAN, plan.to_bytes()), plan_path)
    agree(asdict(plan), asdict(found_plan), plan_path)
    found = parse_record(claim(place, RECORD, record.to_bytes()), path)
    # Another process may have written it in the meantime, with another random seed.
    record = _record(source, wanted, plan, found)
    agree(asdict(record), asdict(found), path)
    return Dataset(output, plan, record)


def read_dataset(output: Path | str) -> Dataset:
    """Read the plan and the record of a dataset; raises DatasetError."""
    place = open_place(output)
    plan, record = place.read(PLAN), place.read(RECORD)
    if plan is None or record is None:
        missing = PLAN if plan is None else RECORD
        raise DatasetError(f"{output} has no {missing}, so it is not a dataset in shards")
    return Dataset(
        output, parse_plan(plan, f"{output}/{PLAN}"), parse_record(record, f"{output}/{RECORD}")
    )


def _record(source: Source, wanted: DatasetOptions, plan: Plan, existing: Record | None) -> Record:
    record = resolve(source, wanted, existing)
    if plan.format != "parquet":
        return record
    return replace(record, runtime={**record.runtime, "pyarrow": import_pyarrow()})
