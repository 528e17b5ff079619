"""How a simulator is set up before it starts.

Belongs here: settings and credentials. Does not belong here: faults, which can change while it runs (`faults.py`).
"""

from __future__ import annotations

from datetime import date
from typing import Annotated, Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, model_validator

from sonnys_pipeline.simulator.faults import Faults


class Account(BaseModel):
    """One set of credentials.

    `sites`: codes it may see; None sees all. `environment`: a production key is refused here as on the sandbox
    (MismatchCredentialsError). `licensed`: False answers NotAuthorizedError.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    api_id: str
    api_key: str = Field(repr=False)
    sites: frozenset[str] | None = None
    environment: Literal["sandbox", "production"] = "sandbox"
    licensed: bool = True


class SimulatorConfig(BaseModel):
    """Everything that can be chosen when a simulator starts. Durations are in seconds of API time.

    Attributes:
        seed, sites, rows_per_day, midnight_row, opened, closed, virtual_site: see `World`.
        speed: how many times faster than the real API all durations pass: request block, hash life, caches, job
            running time, latencies. The calendar keeps real time.
        now: the simulated present at the start; None takes the real one.
        job_seconds: shortest and longest running time of a load job.
        latency_seconds: how long each answer takes.
        rate_limit, block_seconds: the request budget of each API id.
        count_refused: whether a 429 counts in its block too (the contract does not tell; the block is not lengthened).
        hash_seconds: life of a hash and of the data behind it.
        stable_hashes: give a renewed job the hash of its predecessor instead of a new one (the contract does not tell).
        api_id, api_key: the first account, which sees every site; `accounts` adds more.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    seed: int = 7
    sites: int = Field(default=3, ge=1, le=900)
    rows_per_day: int | None = Field(default=None, ge=0, lt=900_000)
    midnight_row: bool = False
    opened: dict[str, date] | date | None = None
    closed: frozenset[date] = frozenset()
    virtual_site: bool = False
    speed: float = Field(default=1.0, gt=0, allow_inf_nan=False)
    now: AwareDatetime | None = None
    job_seconds: tuple[Annotated[float, Field(ge=0)], Annotated[float, Field(ge=0)]] = (1.0, 4.0)
    latency_seconds: float = Field(default=0.0, ge=0)
    rate_limit: int = Field(default=20, ge=1)
    block_seconds: float = Field(default=15.0, gt=0)
    count_refused: bool = False
    hash_seconds: float = Field(default=1200.0, gt=0)
    stable_hashes: bool = False
    api_id: str = "demo-id"
    api_key: str = Field(default="demo-key", repr=False)
    accounts: tuple[Account, ...] = ()
    faults: Faults = Faults()

    @model_validator(mode="after")
    def _ranges_are_ordered(self) -> SimulatorConfig:
        if self.job_seconds[0] > self.job_seconds[1]:
            raise ValueError(f"job_seconds must be (shortest, longest), got {self.job_seconds}")
        return self

    def all_accounts(self) -> tuple[Account, ...]:
        """The first account and the further ones."""
        return (Account(api_id=self.api_id, api_key=self.api_key), *self.accounts)
