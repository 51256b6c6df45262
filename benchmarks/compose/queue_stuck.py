"""Tests that the alert for a stuck queue fires in a real Prometheus, and clears afterwards.

The engine is slowed down under load. Prometheus must also answer every query of the dashboard and
the rules.
"""

import asyncio
import json
import time
import urllib.parse
from pathlib import Path

from load import Load, under_load
from stack import PROMETHEUS, SERVICE, Stack, answers, fresh_stack, get_json, run, wait_until

CLIENTS, IMAGES = 8, 128
SLOW, FAST = "0.02", "1"  # CPUs of the service
ALERT = "MirageQueueStuck"
ABSENT = {"Refused releases", "Canaries", "Replicas that HAProxy uses"}  # panels without data here


def query(expression: str) -> list[object]:
    """The result of a query; fails for an invalid expression."""
    text = urllib.parse.urlencode({"query": expression})
    answer = get_json(f"{PROMETHEUS}/api/v1/query?{text}")
    assert answer["status"] == "success", answer
    found: list[object] = answer["data"]["result"]
    return found


def firing(alert: str) -> bool:
    return bool(query(f'ALERTS{{alertname="{alert}", alertstate="firing"}}'))


def empty_panels(dashboard: Path) -> set[str]:
    """Run the queries of all panels; returns the titles of panels without data."""
    panels = json.loads(dashboard.read_text())["panels"]
    shown = {
        panel["title"]: [query(target["expr"]) for target in panel["targets"]] for panel in panels
    }
    return {title for title, results in shown.items() if not any(results)}


def faulty_rules() -> list[str]:
    groups = get_json(f"{PROMETHEUS}/api/v1/rules")["data"]["groups"]
    rules = [rule for group in groups for rule in group["rules"]]
    assert rules
    return [rule["name"] for rule in rules if rule["health"] != "ok"]


def observe(stack: Stack, report: dict[str, object]) -> None:
    (service,) = stack.containers("service")
    time.sleep(30)  # for the rates
    report["panels_empty"] = sorted(empty_panels(stack.folder / "deploy/grafana/dashboard.json"))
    report["rules_faulty"] = faulty_rules()
    report["scrape_s"] = max_scrape_s()
    assert not firing(ALERT)
    run("docker", "update", "--cpus", SLOW, service)
    report["fires_after_s"] = round(wait_until("it fires", lambda: firing(ALERT), 300))
    run("docker", "update", "--cpus", FAST, service)
    report["clears_after_s"] = round(wait_until("it clears", lambda: not firing(ALERT), 300))
    report["scrapes_failed"] = scrapes_failed()


def max_scrape_s() -> float:
    (found,) = query('max(max_over_time(scrape_duration_seconds{job="mirage"}[1m]))')
    return round(float(found["value"][1]), 3)  # type: ignore[index]


def scrapes_failed() -> int:
    found = query('sum(count_over_time((up{job="mirage"} == 0)[10m:5s])) or vector(0)')
    return int(found[0]["value"][1])  # type: ignore[index]


async def main() -> None:
    load, report = Load(port=int(SERVICE.rpartition(":")[2]), count=IMAGES), {"clients": CLIENTS}
    with fresh_stack("stuck", {"SERVICE_CPUS": FAST}) as stack:
        stack.compose("--profile", "monitoring", "up", "-d", "--build", "service", "prometheus")
        wait_until("the service answers", lambda: answers(f"{SERVICE}/readyz"))
        wait_until("Prometheus answers", lambda: answers(f"{PROMETHEUS}/-/ready"))
        work = asyncio.to_thread(observe, stack, report)
        await under_load(load, CLIENTS, asyncio.ensure_future(work))
    print(json.dumps({**report, **load.summary()}))
    assert set(report["panels_empty"]) <= ABSENT  # type: ignore[arg-type]
    assert not report["rules_faulty"]


if __name__ == "__main__":
    asyncio.run(main())
