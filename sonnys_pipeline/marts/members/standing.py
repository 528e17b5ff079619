"""SQL of what each account was at the end of a day: site, plan, status, amount.

Tables that it uses (made by `movement.py` and `cohorts.py`): `history` (rows of `recurring_accounts` with
`sign_up_day`), `changes` (`day`, `id`, `old_status`, `new_status`, `number` in the order of time), `days` (`day`),
`places` (`day`, `code`, `site`, `timezone`), `walks` (complete ones, as `readings.Walk`).
"""

from __future__ import annotations

#: Statuses that a member brings about (KPIS, "Members"). Every other one but Active is a matter of the payment.
VOLUNTARY = ("Cancelled", "Expired", "Suspended")
#: Longest distance of a monthly plan's billing dates, in days.
_MONTHLY = 300
_FOREVER = "DATE '9999-12-31'"
_YEARLY_NAME = r"\b(annual|annually|year|yearly|yr|12[ -]?months?)\b"

# `since` and `until` have no gaps: before its first reading an account is what the first one says, and changes of an
# account that has left the list are those of its last version.
VERSIONS = f"""
    SELECT
        id,
        coalesce(billing_site_code, '') AS code,
        coalesce(trim(plan_name), '') AS plan,
        status,
        sign_up_day,
        coalesce(is_on_trial, false) AS on_trial,
        dollars_of(billing_amount) AS amount,
        CASE
            WHEN next_bill_date IS NOT NULL AND last_bill_date IS NOT NULL
            THEN date_diff('day', last_bill_date, next_bill_date) > {_MONTHLY}
            ELSE regexp_matches(lower(coalesce(plan_name, '')), '{_YEARLY_NAME}')
        END AS yearly,
        (next_bill_date IS NULL OR last_bill_date IS NULL)
            AND NOT regexp_matches(lower(coalesce(plan_name, '')), '{_YEARLY_NAME}|month') AS period_assumed,
        valid_from AS listed_from,
        coalesce(valid_to, {_FOREVER}) AS listed_to,
        CASE WHEN row_number() OVER versions_of = 1 THEN DATE '0001-01-01' ELSE valid_from END AS since,
        coalesce(lead(valid_from) OVER versions_of, {_FOREVER}) AS until
    FROM history
    WINDOW versions_of AS (PARTITION BY id ORDER BY valid_from)
"""  # noqa: S608 - names and numbers of this house

# An account that signed up since the reading is active until a change says otherwise. One that signed up before it, and
# was listed only later (the API lists old ones when they change), is led back from its first listing (`later`);
# without a landed change it is taken as it was listed then (`unsure`).
HELD = """
    WITH steps AS (
        SELECT
            walks.day,
            walks.timezone,
            changes.id,
            CASE
                WHEN any_value(walks.forward)
                THEN max_by(struct_pack(status := changes.new_status), changes.number)
                ELSE min_by(struct_pack(status := changes.old_status), changes.number)
            END AS step
        FROM walks JOIN changes ON changes.day BETWEEN walks.first AND walks.last
        GROUP BY ALL
    ),
    listed AS (
        SELECT days.day, versions.*, places.site, places.timezone
        FROM days
        JOIN versions ON versions.since <= days.day AND versions.until > days.day
        JOIN places ON places.day = days.day AND places.code = versions.code
        WHERE days.day < versions.listed_to AND coalesce(versions.sign_up_day <= days.day, true)
    ),
    later AS (
        SELECT listed.day, listed.id, min_by(struct_pack(status := changes.old_status), changes.number) AS step
        FROM listed
        JOIN changes ON changes.id = listed.id AND changes.day > listed.day AND changes.day <= listed.listed_from + 1
        GROUP BY ALL
    )
    SELECT
        listed.day,
        listed.id,
        listed.site,
        listed.plan,
        listed.on_trial,
        listed.amount,
        listed.yearly,
        listed.period_assumed,
        walks.day IS NOT NULL AS is_known,
        CASE
            WHEN steps.step IS NOT NULL THEN steps.step.status
            WHEN anchor.id IS NOT NULL THEN anchor.status
            WHEN walks.forward AND listed.sign_up_day >= walks.first THEN 'Active'
            WHEN later.step IS NOT NULL THEN later.step.status
            ELSE listed.status
        END AS status,
        steps.step IS NULL AND anchor.id IS NULL AND later.step IS NULL AND walks.forward
            AND coalesce(listed.sign_up_day < walks.first, true) AS unsure
    FROM listed
    LEFT JOIN walks ON walks.day = listed.day AND walks.timezone = listed.timezone
    LEFT JOIN steps ON steps.day = listed.day AND steps.timezone = listed.timezone AND steps.id = listed.id
    LEFT JOIN later ON later.day = listed.day AND later.id = listed.id
    LEFT JOIN versions AS anchor
        ON anchor.id = listed.id AND anchor.listed_from <= walks.reading AND anchor.listed_to > walks.reading
"""
