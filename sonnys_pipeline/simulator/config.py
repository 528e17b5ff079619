"""Configuration of a simulator."""

from __future__ import annotations

from datetime import date
from typing import Annotated, Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, model_validator

from sonnys_pipeline.simulator.faults import Faults
from sonnys_pipeline.simulator.profile import Api


class Account(BaseModel):
    """One set of credentials.

    `sites`: visible codes; None for all. `environment`: a production key is refused (MismatchCredentialsError).
    `licensed`: False answers NotAuthorizedError.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    api_id: str
    api_key: str = Field(repr=False)
    sites: frozenset[str] | None = None
    environment: Literal["sandbox", "production"] = "sandbox"
    licensed: bool = True


class SimulatorConfig(BaseModel):
    """Configuration of a simulator. Durations are in seconds of API time.

    Attributes:
        api: `live` (default) behaves as users found the API, contract L1 to L18; `documented` as the vendor's document.
        seed, sites, rows_per_day, midnight_row, opened, closed: see `World`.
        virtual_site, virtual_rows, codeless_site, codeless_rows, unlisted_site_rows: see `World`.
        accounts_per_site: see `World`.
        customers_per_site: customers of each site from its first year on, members included; one more every five days.
        employees_per_site: employees who work at one site only, beside those who work at each.
        speed: factor by which all durations are shorter; the calendar keeps real time.
        now: the simulated present at the start; None for the real one.
        job_seconds: shortest and longest running time of a load job.
        latency_seconds: delay of each response.
        rate_limit, block_seconds: the request budget of each API id.
        hash_seconds: life of a hash and its data.
        api_id, api_key: the first account, which sees every site; `accounts` adds more.

    Switches for what the contract leaves open ([?]):
        budget_per: one budget per API id, or per API id and endpoint.
        count_refused: a 429 counts in its block too.
        refused_lengthens: a 429 restarts its block's seconds.
        lists_need_site: lists require `site` on keys of several sites, as live load jobs do.
        ends: which ends of a period are included: `both`, the `start` alone, or `neither`.
        fail_body: a `fail` carries more than hash and status.
        site_spellings: `/site/list` has one site in two spellings (L7; live profile only).
        list_in_other_case: `/site/list` writes codes in another case than the rows (L7; live profile only).
        old_accounts_listed: recurring accounts older than six months can be listed.
        pending_status: jobs are `pending` in the first half of their running time (L18).
        stable_hashes: a renewed job keeps its hash.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    api: Api = "live"
    seed: int = 7
    sites: int = Field(default=3, ge=1, le=900)
    rows_per_day: int | None = Field(default=None, ge=0, lt=900_000)
    midnight_row: bool = False
    opened: dict[str, date] | date | None = None
    closed: dict[str, frozenset[date]] | frozenset[date] = frozenset()
    virtual_site: bool | None = None
    virtual_rows: bool | None = None
    codeless_site: bool | None = None
    codeless_rows: bool = False
    unlisted_site_rows: int = Field(default=0, ge=0, lt=900_000)
    accounts_per_site: int = Field(default=1500, ge=1, le=100_000)
    customers_per_site: int = Field(default=1500, ge=1, le=1_000_000)
    employees_per_site: int = Field(default=2, ge=0, le=1000)
    speed: float = Field(default=1.0, gt=0, allow_inf_nan=False)
    now: AwareDatetime | None = None
    job_seconds: tuple[Annotated[float, Field(ge=0)], Annotated[float, Field(ge=0)]] = (1.0, 4.0)
    latency_seconds: float = Field(default=0.0, ge=0)
    rate_limit: int = Field(default=20, ge=1)
    block_seconds: float = Field(default=15.0, gt=0)
    budget_per: Literal["api_id", "endpoint"] = "api_id"
    count_refused: bool = False
    refused_lengthens: bool = False
    lists_need_site: bool = False
    ends: Literal["both", "start", "neither"] = "both"
    fail_body: bool = True
    site_spellings: bool = False
    list_in_other_case: bool = False
    old_accounts_listed: bool = False
    pending_status: bool = False
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

    @model_validator(mode="after")
    def _spellings_are_live(self) -> SimulatorConfig:
        if self.api == "documented" and (self.site_spellings or self.list_in_other_case):
            raise ValueError("site_spellings and list_in_other_case need api='live': the document's codes are exact")
        return self

    def environment(self, base_url: str) -> dict[str, str]:
        """Variables by which the first account reaches the simulator at `base_url`, scaled as its clock is."""
        key = {"SONNYS_API_ID": self.api_id, "SONNYS_API_KEY": self.api_key, "SONNYS_BASE_URL": base_url}
        return key | self.scaled_environment()

    def scaled_environment(self) -> dict[str, str]:
        """Variables for request budget and durations, in seconds of the real clock."""
        return {
            "SONNYS_RATE_LIMIT": f"{self.rate_limit}/{self.block_seconds / self.speed:g}",
            "SONNYS_POLL_INTERVAL": f"{2 / self.speed:g}",
            "SONNYS_JOB_TIMEOUT": f"{300 / self.speed:g}",
            "SONNYS_HASH_LIFETIME": f"{self.hash_seconds / self.speed:g}",
        }

    def all_accounts(self) -> tuple[Account, ...]:
        """The first account and the others."""
        return (Account(api_id=self.api_id, api_key=self.api_key), *self.accounts)
