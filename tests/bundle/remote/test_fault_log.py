from mirage.bundle.remote.fault_log import FaultLog


def test_a_fault_that_lasts_has_one_line_a_minute() -> None:
    lines: list[str] = []
    log = FaultLog(lines.append)
    for second in range(0, 130, 5):
        log.report("bucket", "gone", second)
    assert lines == ["gone", "gone (for 60 s)", "gone (for 120 s)"]


def test_the_end_of_a_fault_is_told_once() -> None:
    lines: list[str] = []
    log = FaultLog(lines.append)
    log.clear("bucket", 0)
    log.report("bucket", "gone", 1)
    log.report("toy", "unsound", 1)
    log.clear("bucket", 8)
    log.clear("bucket", 9)
    assert lines == ["gone", "unsound", "bucket: works again after 7 s"]
