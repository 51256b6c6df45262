from benchmarks.serving.summary import bare_us, medians, ratios, summary


def row(number: int, server: str, **values: object) -> dict[str, object]:
    return {"round": number, "model": "mnist", "server": server, **values}


def load(number: int, server: str, clients: int, rate: float, ms: float = 1.0) -> dict[str, object]:
    return row(number, server, images=1, clients=clients, images_s=rate, p50_ms=ms)


def test_a_number_is_the_median_over_the_rounds() -> None:
    rows = [load(number, "mosec", 8, rate) for number, rate in enumerate((10.0, 90.0, 20.0))]
    assert medians(rows) == {("mnist", "mosec", 1, 8): {"images_s": 20.0, "p50_ms": 1.0}}


def test_a_round_that_failed_leaves_the_others_and_tells_its_error() -> None:
    failed = row(1, "mosec", images=1, clients=8, error="no answer")
    found = medians([load(0, "mosec", 8, 10.0), failed])
    assert found["mnist", "mosec", 1, 8] == {"images_s": 10.0, "p50_ms": 1.0, "error": "no answer"}


def test_a_server_that_did_not_start_has_only_its_error() -> None:
    found = summary([row(0, "ray", error="it ended")])
    assert found == {"medians": {"mnist/ray/0/0": {"error": "it ended"}}, "ratios": {}}


def test_ratios_are_taken_within_a_round() -> None:
    """Between rounds the machine's speed drifts: here it halves."""
    rows = []
    for number, speed in enumerate((1.0, 0.5)):
        rows += [
            row(number, "bare", images_s=400 * speed, call_ms=0.2 / speed),
            load(number, "mosec", 64, 200 * speed),
            load(number, "mirage", 64, 100 * speed),
            load(number, "mirage", 1, 50 * speed, ms=0.5 / speed),
        ]
    expected = {"to_mosec": 0.5, "to_bare": 0.25, "p50_to_call": 2.5}
    assert ratios(rows) == {"mnist/mirage/1": expected}


def test_each_variant_of_the_service_has_ratios_and_what_is_missing_is_left_out() -> None:
    rows = [load(0, "mosec", 64, 200.0), load(0, "mirage --workers 2", 64, 300.0)]
    assert ratios(rows) == {"mnist/mirage --workers 2/1": {"to_mosec": 1.5}}


def test_the_bare_loop_is_told_as_time_of_one_core() -> None:
    rows = [
        row(0, "bare", cores=2, rates={1: 1000.0, 16: 2000.0}),
        row(1, "bare", cores=2, rates={"1": 500.0, "16": 1000.0}),  # as read from a file
    ]
    assert bare_us(rows, "mnist") == {1: 3000.0, 16: 1500.0}
