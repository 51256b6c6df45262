"""Summary of rows of several rounds: medians, and ratios within a round.

A row has `round`, `model` and `server`. Rows of the bare loop have `images_s` of the best batch,
`call_ms`, `rates` by batch, `cores`, `side` and `channels`. The others have `images`, `clients`,
`images_s`, `p50_ms` and `p99_ms`. Rows of failed measurements have an `error`.
"""

import statistics
from collections import defaultdict
from collections.abc import Iterable
from typing import Any

Row = dict[str, Any]
Key = tuple[str, str, int, int]  # model, server, images per request, clients; 0 for the bare loop

BARE, SERVICE, RIVAL = "bare", "mirage", "mosec"
FIELDS = ("images_s", "images_s_1", "call_ms", "p50_ms", "p99_ms", "errors")
CLIENTS = 64  # clients at which throughput is compared


def summary(rows: list[Row]) -> Row:
    """Medians by `model/server/images/clients`, and ratios by `model/server/images`."""
    table = {"/".join(map(str, key)): values for key, values in medians(rows).items()}
    return {"medians": table, "ratios": ratios(rows)}


def medians(rows: Iterable[Row]) -> dict[Key, Row]:
    """The median of each number over the rounds, or the first error."""
    return {key: _median(found) for key, found in grouped(rows).items()}


def grouped(rows: Iterable[Row]) -> dict[Key, list[Row]]:
    """The rows of all rounds grouped by key, in order of first occurrence."""
    groups: dict[Key, list[Row]] = defaultdict(list)
    for row in rows:
        key = row["model"], row["server"], row.get("images", 0), row.get("clients", 0)
        groups[key].append(row)
    return groups


def _median(rows: list[Row]) -> Row:
    values: Row = {}
    for field in FIELDS:
        if numbers := [row[field] for row in rows if field in row]:
            values[field] = round(statistics.median(numbers), 2)
    if errors := [row["error"] for row in rows if "error" in row]:
        values["error"] = errors[0]
    return values


def ratios(rows: Iterable[Row]) -> dict[str, dict[str, float]]:
    """Ratios of each variant of the service by `model/server/images`.

    `to_mosec` and `to_bare` compare images per second with 64 clients. `p50_to_call` compares the
    median time of one client with one image per request to the bare call. Missing measurements are
    left out.
    """
    rounds: dict[tuple[int, str], list[Row]] = defaultdict(list)
    for row in rows:
        rounds[row["round"], row["model"]].append(row)
    found: dict[str, dict[str, list[float]]] = defaultdict(lambda: defaultdict(list))
    for (_, model), of_round in rounds.items():
        for server, images, name, ratio in _within(of_round):
            found[f"{model}/{server}/{images}"][name].append(ratio)
    return {
        key: {name: round(statistics.median(values), 3) for name, values in of_key.items()}
        for key, of_key in found.items()
    }


def _within(rows: list[Row]) -> Iterable[tuple[str, int, str, float]]:
    """Yield server, images, name and value of each ratio of one model in one round."""
    place = {(row["server"], row.get("images", 0), row.get("clients", 0)): row for row in rows}
    bare = place.get((BARE, 0, 0), {})
    for (server, images, clients), row in place.items():
        if not server.startswith(SERVICE):
            continue
        rival = place.get((RIVAL, images, CLIENTS), {})
        compared = []
        if clients == CLIENTS:
            compared += [("to_mosec", "images_s", rival.get("images_s"))]
            compared += [("to_bare", "images_s", bare.get("images_s"))]
        if clients == images == 1:
            compared += [("p50_to_call", "p50_ms", bare.get("call_ms"))]
        for name, field, other in compared:
            if field in row and other:
                yield server, images, name, row[field] / other


def bare_us(rows: Iterable[Row], model: str) -> dict[int, float]:
    """Microseconds of one core per image by batch size in the bare loop: medians over rounds."""
    found: dict[int, list[float]] = defaultdict(list)
    for row in rows:
        if row["model"] == model and row["server"] == BARE:
            for batch, rate in row.get("rates", {}).items():
                found[int(batch)].append(1e6 * row["cores"] / rate)
    return {batch: statistics.median(times) for batch, times in sorted(found.items())}
