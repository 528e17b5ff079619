"""LJ-09's secrecy and BM-05 for PostgreSQL: how a URL is read, told and connected; servers are asked elsewhere.

`unit/client/rate_limit`, `unit/ledger/test_store_server.py` and `unit/lake/locks` ask real servers.
"""

import pytest
from sqlalchemy import make_url

from sonnys_pipeline.runtime.postgres import Server, advisory_lock_key, describe, is_postgres, open_engine

URL = "postgresql://me:hunter2@db:5433/wash"


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        (URL, True),
        ("postgres://db/wash", True),
        ("postgresql+psycopg2://db/wash", True),
        ("sqlite:////var/postgresql", False),
        ("redis://db/0", False),
        ("", False),
    ],
)
def test_its_scheme_says_what_a_url_is(url: str, expected: bool) -> None:
    """With a driver's name or without, in both spellings."""
    assert is_postgres(url) is expected


def test_a_description_holds_server_and_database_alone() -> None:
    """Libpq's defaults are told where the URL leaves them out."""
    assert describe("db", 5433, "wash") == "postgresql://db:5433/wash"
    assert describe(None, None, None) == "postgresql://localhost/"
    assert Server(URL, variable="X", application="test").where == "postgresql://db:5433/wash"
    assert Server("postgresql:///wash", variable="X", application="test").where == "postgresql://localhost:5432/wash"


@pytest.mark.parametrize(
    ("url", "driver"),
    [(URL, "postgresql+psycopg"), (URL.replace("postgresql", "postgres"), "postgresql+psycopg")],
)
def test_an_engine_needs_no_driver_in_its_url(url: str, driver: str) -> None:
    """Psycopg is taken unless another one is named."""
    engine = open_engine(url, variable="X", application="test")
    assert engine.url == make_url(URL).set(drivername=driver)
    engine.dispose()


def test_secrets_among_the_parameters_leave_an_engines_url() -> None:
    """No rendering of the engine shows them."""
    engine = open_engine("postgresql://me@db/wash?password=hunter2&sslpassword=hunter3", variable="X", application="t")
    assert "hunter" not in f"{engine!r} {engine.url!r} {engine.url.render_as_string(hide_password=False)}"
    engine.dispose()


@pytest.mark.parametrize(
    ("read", "url"),
    [
        (Server, "postgresql://me:hunter2@db/wash?no_parameter=1"),
        (open_engine, "postgresql://me:hunter2@db:port/wash"),
    ],
)
def test_a_url_that_cannot_be_read_names_its_variable(read: type[Server], url: str) -> None:
    """And is not quoted."""
    with pytest.raises(ValueError, match=r"SONNYS_X_URL: cannot be read; write postgresql://") as caught:
        read(url, variable="SONNYS_X_URL", application="test")
    assert "hunter2" not in str(caught.value)


def test_a_lock_has_the_same_number_everywhere() -> None:
    """Two machines that name the same thing lock the same thing: 64 bits, signed, as older versions counted them."""
    assert advisory_lock_key("lake s3://bucket transactions") == advisory_lock_key("lake s3://bucket transactions")
    keys = {advisory_lock_key(f"budget {number}") for number in range(100)}
    assert len(keys) == 100
    assert all(-(2**63) <= key < 2**63 for key in keys)
    assert advisory_lock_key("") == int.from_bytes(bytes.fromhex("e3b0c44298fc1c14"), signed=True)
