-- What batch size and number of batches have to do with throughput, and what a read costs: regressions over speed tests.
--
-- The first table fits images per second by one parameter, by their product, and by all of them together. The second fits seconds
-- instead: a latency, a cost per MB and a cost per image, which is how a read is made up. A coefficient is NULL where the data can't
-- tell it from the others.
--
-- reads:  results of `pixmill speed-test`: a directory or file
-- writes: two tables to stdout
--
-- set: input = results
-- set: run = %

CREATE EXTERNAL TABLE results STORED AS PARQUET LOCATION '${input}';

WITH measured AS (
    SELECT
        source,
        cache,
        images_per_second AS y,
        CAST(batch_size AS DOUBLE) AS size,
        CAST(batch_number AS DOUBLE) AS number,
        CAST(batch_size * batch_number AS DOUBLE) AS product
    FROM results
    WHERE error IS NULL AND run LIKE '${run}'
),
fits AS (
    SELECT source, cache, 1 AS part, 'batch_size' AS predictors, linear_regression(y, size) AS fit FROM measured GROUP BY source, cache
    UNION ALL
    SELECT source, cache, 2, 'batch_number', linear_regression(y, number) FROM measured GROUP BY source, cache
    UNION ALL
    SELECT source, cache, 3, 'product', linear_regression(y, product) FROM measured GROUP BY source, cache
    UNION ALL
    SELECT source, cache, 4, 'batch_size, batch_number, product', linear_regression(y, size, number, product)
    FROM measured
    GROUP BY source, cache
)
SELECT
    source,
    cache,
    predictors,
    fit['n'] AS n,
    fit['intercept'] AS intercept,
    fit['coefficients'] AS coefficients,
    fit['standard_errors'] AS standard_errors,
    fit['r2'] AS r2
FROM fits
ORDER BY source, cache, part;

WITH measured AS (
    SELECT source, cache, seconds, bytes / 1e6 AS mb, CAST(images AS DOUBLE) AS images
    FROM results
    WHERE error IS NULL AND run LIKE '${run}'
),
fits AS (
    SELECT source, cache, linear_regression(seconds, mb, images) AS fit FROM measured GROUP BY source, cache
)
SELECT
    source,
    cache,
    fit['n'] AS n,
    1000 * fit['intercept'] AS latency_ms,
    1000 * fit['coefficients'][1] AS ms_per_mb,
    1000 * fit['standard_errors'][1] AS ms_per_mb_error,
    1000 * fit['coefficients'][2] AS ms_per_image,
    1000 * fit['standard_errors'][2] AS ms_per_image_error,
    fit['r2'] AS r2,
    linear_prediction(fit, 100.0, 1000.0) AS seconds_for_100_mb_of_1000_images
FROM fits
ORDER BY source, cache;
