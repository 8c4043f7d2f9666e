"""Prometheus text."""

from howfar.web.metrics import Counter, Histogram, Metrics


def test_counters():
    counter = Counter("x_total", "What.")
    counter.add(route="/a")
    counter.add(2, route="/a")
    assert counter.lines() == [
        "# HELP x_total What.",
        "# TYPE x_total counter",
        'x_total{route="/a"} 3',
    ]


def test_buckets_are_cumulative_and_inclusive():
    histogram = Histogram("x_seconds", "What.", (0.1, 1.0))
    for seconds in (0.1, 0.5, 2.0):
        histogram.observe(seconds)
    assert histogram.lines()[2:] == [
        'x_seconds_bucket{le="0.1"} 1',
        'x_seconds_bucket{le="1.0"} 2',
        'x_seconds_bucket{le="+Inf"} 3',
        "x_seconds_sum 2.600000",
        "x_seconds_count 3",
    ]


def test_gauges_are_read_when_asked():
    metrics = Metrics()
    values = iter([1, 2, 3])
    metrics.gauge("x", "What.", lambda: next(values))
    assert "\nx 1\n" in metrics.text()
    assert "\nx 2\n" in metrics.text()
    assert "howfar_resident_bytes" in metrics.text()
