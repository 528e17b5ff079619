-- What tickets of each week hold, from the rows as the API sent them; voided items are left out.
WITH sold AS (
    SELECT CAST(date_trunc('week', date) AS DATE) AS week, location_code AS site, unnest(items) AS item
    FROM {{ source('north', 'transactions') }}
)

SELECT week, site, item.name AS item, sum(item.quantity) AS quantity, round(sum(item.net), 2) AS net
FROM sold
WHERE NOT item.is_voided
GROUP BY week, site, item.name
