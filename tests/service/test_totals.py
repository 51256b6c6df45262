"""The metrics of two processes become those of one."""

import math

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from prometheus_client.exposition import generate_latest
from prometheus_client.parser import text_string_to_metric_families as parsed

from mirage.service.metrics import Metrics
from mirage.service.totals import LEAST_COUNTS, PARTS_OF_A_WHOLE, add_up


def total(*registries: CollectorRegistry) -> dict[tuple[str, tuple[tuple[str, str], ...]], float]:
    text = add_up(map(generate_latest, registries)).decode()
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in parsed(text)
        for sample in family.samples
    }


def test_counters_add_up_label_by_label() -> None:
    one, other = CollectorRegistry(), CollectorRegistry()
    for registry, codes in ((one, ["200", "200", "429"]), (other, ["200", "504"])):
        counter = Counter("mirage_requests", "Answers", ("code",), registry=registry)
        for code in codes:
            counter.labels(code).inc()
    found = total(one, other)
    counts = {key[1][0][1]: v for key, v in found.items() if key[0] == "mirage_requests_total"}
    assert counts == {"200": 3, "429": 1, "504": 1}


def test_histograms_add_up_bucket_by_bucket() -> None:
    one, other = CollectorRegistry(), CollectorRegistry()
    for registry, seconds in ((one, [0.5, 1.5]), (other, [0.7])):
        histogram = Histogram("mirage_s", "Seconds", buckets=(1, 2), registry=registry)
        for value in seconds:
            histogram.observe(value)
    found = total(one, other)
    assert found["mirage_s_bucket", (("le", "1.0"),)] == 2
    assert found["mirage_s_bucket", (("le", "+Inf"),)] == found["mirage_s_count", ()] == 3
    assert math.isclose(found["mirage_s_sum", ()], 2.7)


def test_of_gauges_some_add_up_and_of_the_others_one_counts() -> None:
    one, other = CollectorRegistry(), CollectorRegistry()
    for registry, value in ((one, 1), (other, 3)):
        for name in ("mirage_queued_images", "mirage_queue_oldest_seconds", "mirage_ready"):
            Gauge(name, "Something", registry=registry).set(value)
    found = total(one, other)
    assert found["mirage_queued_images", ()] == 4
    assert found["mirage_queue_oldest_seconds", ()] == 3
    assert found["mirage_ready", ()] == 1


def test_every_exception_among_the_gauges_is_one_of_the_services() -> None:
    names = {family.name for family in Metrics().registry.collect() if family.type == "gauge"}
    assert names >= PARTS_OF_A_WHOLE | LEAST_COUNTS


def test_one_alone_is_as_it_was() -> None:
    metrics = Metrics()
    metrics.count_request(200, 0.02)
    metrics.released.labels("mnist", "2").set(1)
    metrics.released.labels('a "name" with\nall', "3").set(1e-300)
    text = metrics.exposition()
    assert add_up([text]) == text


def test_what_is_in_one_alone_is_kept_in_its_place() -> None:
    one, other = Metrics(), Metrics()
    one.loaded.labels("mnist", "2", "cpu").set(1)
    other.loaded.labels("rgb", "1", "cpu").set(1)
    text = add_up([one.exposition(), other.exposition()]).decode()
    assert (
        'mirage_model_loaded{model="mnist",provider="cpu",version="2"} 1.0\n'
        'mirage_model_loaded{model="rgb",provider="cpu",version="1"} 1.0\n'
    ) in text
    assert text.count("# TYPE mirage_model_loaded gauge\n") == 1
