from mirage.training.report.curves import charts

LINES = [
    {"nimg": 1000 * i, "d_loss": 1.0, "g_loss": 2.0, "kimg_per_s": 0.3, "entropy": 0.1 * i}
    for i in range(5)
]


def test_what_a_run_recorded_is_drawn_and_nothing_else() -> None:
    html = charts(LINES)
    assert html.count("<svg") == 3
    assert "Losses" in html
    assert "Speed" in html
    assert "Margin" not in html


def test_a_statistic_without_an_explanation_is_drawn_by_its_name() -> None:
    assert "<b>entropy</b>" in charts(LINES)


def test_lines_of_other_fields_may_stand_among_them() -> None:
    lines = [*LINES, {"nimg": 9000, "d_loss": float("nan"), "note": "stopped"}]
    assert charts(lines).count("<svg") == 3


def test_a_run_without_statistics_has_no_curves() -> None:
    assert charts([]) == ""
