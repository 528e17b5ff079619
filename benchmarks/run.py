"""`make bench`: every benchmark in one run; tables to the terminal, figures to `benchmarks/results.json`."""

from __future__ import annotations

import json
import platform
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from benchmarks import by_site, by_site_http, loading, marts, parse_and_land, replay, scale

RESULTS = Path(__file__).with_name("results.json")


def main() -> None:
    """Measure, print, write."""
    out = Console(highlight=False)
    parsed = parse_and_land.run()
    table = Table("way", "rows/s", "ours ÷ it", title="Parse and land 50,000 rows", title_justify="left")
    for way, speed in parsed.items():
        table.add_row(way, f"{speed:,.0f}", f"{parsed['ours'] / speed:.2f}")
    out.print(table)

    replayed = replay.run()
    table = Table(
        "case", "days", "rows", "seconds", "rows/s", "archive, bytes/page", "day, bytes/row",
        title="Replay, without a request", title_justify="left",
    )  # fmt: skip
    for figure in replayed:
        table.add_row(
            figure.case, str(figure.days), f"{figure.rows:,}", f"{figure.seconds:.1f}",
            f"{figure.rows_per_second:,.0f}", f"{figure.archive_bytes_a_page:,.0f}", f"{figure.day_bytes_a_row:.1f}",
        )  # fmt: skip
    out.print(table)

    loaded = loading.run()
    table = Table(
        "way", "case", "pages", "requests/page", "429", "seconds at full speed", "floor", "÷ floor", "MiB",
        title="Load over HTTP", title_justify="left",
    )  # fmt: skip
    for row in loaded:
        table.add_row(
            row.way, row.case, str(row.pages), f"{row.requests_a_page:.3f}", str(row.refused), f"{row.seconds:,.0f}",
            f"{row.floor_seconds:,.0f}", f"{row.over_floor:.3f}", f"{row.peak_mib:.0f}",
        )  # fmt: skip
    out.print(table)

    by_sites = by_site.show(out)
    over_http = by_site_http.show(out)

    counted = marts.run()
    table = Table("way", "span", "rows in its files", "seconds", "peak MiB", title="Marts", title_justify="left")
    for mart in counted:
        table.add_row(mart.way, mart.span, f"{mart.rows:,}", f"{mart.seconds:.2f}", f"{mart.peak_mib:,.0f}")
    out.print(table)

    scaled: dict[str, list[dict[str, Any]]] = {}
    for title, found in scale.run():
        scale.print_figures(out, title, found)
        scaled[title] = [asdict(one) for one in found]

    figures = {
        "made_at": datetime.now(UTC).isoformat(timespec="seconds"),
        "machine": {"python": platform.python_version(), "system": platform.system(), "machine": platform.machine()},
        "parse_and_land_rows_per_second": {way: round(speed) for way, speed in parsed.items()},
        "replay": [
            {name: round(value) if isinstance(value, float) else value for name, value in asdict(figure).items()}
            for figure in replayed
        ],
        "loading": [
            {**asdict(row), "requests_a_page": round(row.requests_a_page, 4), "over_floor": round(row.over_floor, 4)}
            for row in loaded
        ],
        "by_site": {name: [asdict(spent) for spent in found] for name, found in by_sites.items()},
        "by_site_http": [asdict(one) for one in over_http],
        "marts": [asdict(row) for row in counted],
        "scale": scaled,
    }
    RESULTS.write_text(json.dumps(figures, indent=1) + "\n")
    out.print(f"Figures: {RESULTS.name}")


if __name__ == "__main__":
    main()
