"""Which format, catalog and namespace the settings mean."""

import re
from pathlib import Path

import pytest

from sonnys_pipeline.config.settings import Settings
from sonnys_pipeline.lake.iceberg.options import Iceberg, format_of

LEDGER, CATALOG = "postgresql://user:hunter2@host/ledger", "https://catalog.test"


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({}, "parquet"),
        ({"ledger_url": LEDGER, "iceberg_catalog": CATALOG}, "parquet"),
        ({"lake_format": "iceberg"}, Iceberg()),
        ({"lake_format": "iceberg", "ledger_url": "sqlite:///ledger.sqlite"}, Iceberg()),
        ({"lake_format": "iceberg", "ledger_url": LEDGER}, Iceberg(catalog=LEDGER)),
        ({"lake_format": "iceberg", "ledger_url": LEDGER, "iceberg_catalog": CATALOG}, Iceberg(catalog=CATALOG)),
        ({"lake_format": "iceberg", "iceberg_keep_days": 30}, Iceberg(keep_days=30)),
    ],
)
def test_settings_name_the_format(given: dict[str, str], expected: object) -> None:
    """EC-02: plain Parquet unless told; the catalog is in the ledger's PostgreSQL, if that is where the ledger is."""
    assert format_of(Settings(**given)) == expected


def test_an_account_has_a_namespace(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its name, so that several accounts share a catalog; and no password is shown."""
    monkeypatch.setenv("SONNYS_ACCOUNTS", "north,south")
    monkeypatch.setenv("SONNYS_LAKE_FORMAT", "iceberg")
    monkeypatch.setenv("SONNYS_LEDGER_URL", LEDGER)
    found = format_of(Settings.load("north"))
    assert found == Iceberg(catalog=LEDGER, namespace="north")
    assert "hunter2" not in repr(found)


def test_the_catalog_of_an_object_store_is_in_the_state_folder(tmp_path: Path) -> None:
    """EC-02: a SQLite file of its own for each lake, however the URL ends; PostgreSQL and REST catalogs come first."""
    given = {"lake_format": "iceberg", "state_dir": tmp_path}
    found = [format_of(Settings(data_url=url, **given)) for url in ("s3://b/lake", "s3://b/lake/", "s3://b/other")]
    assert found[0] == found[1] != found[2]
    assert isinstance(found[0], Iceberg)
    assert re.fullmatch(rf"sqlite:///{tmp_path}/iceberg-[0-9a-f]{{12}}\.sqlite", found[0].catalog)
    assert format_of(Settings(data_url="gs://b/lake", ledger_url=LEDGER, **given)) == Iceberg(catalog=LEDGER)
