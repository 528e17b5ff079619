-- On the last day that is counted. Plans are summed over the sites that bill them.
SELECT
    business_date,
    coalesce(plan, '(no plan)') AS plan,
    CASE WHEN count(active) = count(*) THEN sum(active) END AS active,
    CASE WHEN count(mrr) = count(*) THEN sum(mrr) END AS mrr
FROM {{ source('north', 'membership_movement') }}
WHERE business_date = (SELECT max(business_date) FROM {{ source('north', 'membership_movement') }})
GROUP BY business_date, coalesce(plan, '(no plan)')
