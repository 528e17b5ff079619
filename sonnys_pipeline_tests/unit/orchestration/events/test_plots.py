"""DG-02: the plots on the page of an asset: what they show, and that they stay small."""

import struct
import zlib
from datetime import date, timedelta

import pyarrow as pa
import pytest

from sonnys_pipeline.lake.dataset import Lake
from sonnys_pipeline.orchestration.events.plots import PLOTTED_DAYS, bars, last_days, plotted

LAST = "2026-11-10"
COLUMNS = {"cars": "Cars"}


def pixels(image: bytes) -> list[bytes]:
    """The lines of a PNG as `bars` writes it, checked chunk by chunk."""
    assert image.startswith(b"\x89PNG\r\n\x1a\n")
    at, chunks = 8, {}
    while at < len(image):
        (size,) = struct.unpack(">I", image[at : at + 4])
        kind, data = image[at + 4 : at + 8], image[at + 8 : at + 8 + size]
        assert struct.unpack(">I", image[at + 8 + size : at + 12 + size]) == (zlib.crc32(kind + data),)
        chunks[kind], at = data, at + 12 + size
    width, height = struct.unpack(">II", chunks[b"IHDR"][:8])
    raw = zlib.decompress(chunks[b"IDAT"])
    assert len(raw) == height * (width + 1)
    return [raw[line * (width + 1) + 1 : (line + 1) * (width + 1)] for line in range(height)]


def test_bars_are_as_high_as_their_values():
    """The highest fills the image, half of it half, 0 and less one line; an unknown value is a grey foot."""
    lines = pixels(bars([10, 5, 0, -3, None]))

    heights = [sum(line[at] == 1 for line in lines) for at in range(0, 50, 10)]

    assert heights == [80, 40, 1, 1, 0]
    assert sum(line[40] == 2 for line in lines) == 3
    assert all(line[8] == line[9] == 0 for line in lines)


def test_a_plot_fits_into_the_page():
    """Its last days are at the right, and would be cut off; the page leaves some 320 pixels."""
    assert len(pixels(bars([1] * PLOTTED_DAYS))[0]) == 300


def test_days_without_any_value():
    """Words, without an image; and a plot of nothing but zeros is one."""
    assert plotted("Cars", {"2026-11-09": None, LAST: None}) == "Cars: no day from 2026-11-09 to 2026-11-10 is known."
    assert "lowest 0 on 2026-11-09" in plotted("Cars", {"2026-11-09": 0, LAST: 0})


@pytest.fixture
def lake(tmp_path) -> Lake:
    """Two sites on each of the last 40 days, one day missing and one with an unknown figure."""
    made = Lake(tmp_path)
    for back in range(40):
        day = (date.fromisoformat(LAST) - timedelta(days=back)).isoformat()
        cars = [back, None if back == 5 else 2 * back]
        if back != 7:
            made.land("kpis", pa.table({"site": ["a", "b"], "cars": pa.array(cars, pa.int64())}), partition=day)
    return made


def test_the_last_days_of_a_mart(lake):
    """Sums over the sites of 30 days; a day that is not landed, or has an unknown figure, is not known."""
    (found,) = last_days(lake, "kpis", LAST, COLUMNS).values()

    text = str(found.value)

    assert text.startswith("![Cars a day](data:image/png;base64,")
    assert "Cars a day, 2026-10-12 to 2026-11-10: lowest 0 on 2026-11-10, highest 87 on 2026-10-12" in text
    assert text.endswith("; 2 days not known")
    assert len(text) < 2_000
    assert PLOTTED_DAYS == 30


def test_no_plot_costs_a_request(monkeypatch, lake):
    """In an object store each file would be one."""
    monkeypatch.setattr(Lake, "read", lambda *_: pytest.fail("read"))
    monkeypatch.setattr(lake, "root", "s3://bucket/lake")

    assert last_days(lake, "kpis", LAST, COLUMNS) == {}
