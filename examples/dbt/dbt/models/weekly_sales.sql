-- A week with fewer than seven days says so; a figure that is unknown on one of them is unknown.
SELECT
    CAST(date_trunc('week', kpis.business_date) AS DATE) AS week,
    kpis.site,
    any_value(sites.name) AS site_name,
    count(*) AS days,
    sum(kpis.total_cars) AS cars,
    sum(kpis.sales) AS sales,
    sum(kpis.new_memberships) AS new_memberships,
    CASE WHEN count(kpis.net_cars) = count(*) THEN sum(kpis.net_cars) END AS net_cars
FROM {{ source('north', 'site_day_kpis') }} AS kpis
LEFT JOIN {{ source('north', 'sites') }} AS sites ON sites.code = kpis.site AND sites.is_current
GROUP BY week, kpis.site
