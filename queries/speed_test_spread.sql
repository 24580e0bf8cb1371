-- How far repetitions of the same measurement are apart, and how far machines and executors are.
--
-- spread is the standard deviation in percent of the mean. A combination whose repetitions are far apart says little with its mean.
--
-- reads:  results of `pixmill speed-test`: a directory or file
-- writes: two tables to stdout
--
-- set: input = results
-- set: run = %

CREATE EXTERNAL TABLE results STORED AS PARQUET LOCATION '${input}';

SELECT
    source,
    cache,
    batch_size,
    batch_number,
    count(*) AS repetitions,
    round(avg(images_per_second), 1) AS images_per_second,
    round(min(images_per_second), 1) AS least,
    round(max(images_per_second), 1) AS most,
    round(100 * stddev_samp(images_per_second) / avg(images_per_second), 1) AS spread
FROM results
WHERE error IS NULL AND run LIKE '${run}'
GROUP BY source, cache, batch_size, batch_number
ORDER BY source, cache, batch_size, batch_number;

SELECT
    source,
    cache,
    host,
    executor,
    min(vcores) AS vcores,
    count(*) AS measurements,
    round(avg(images_per_second), 1) AS images_per_second,
    round(100 * stddev_samp(images_per_second) / avg(images_per_second), 1) AS spread,
    round(avg(first_batch_seconds), 4) AS first_batch_seconds
FROM results
WHERE error IS NULL AND run LIKE '${run}'
GROUP BY source, cache, host, executor
ORDER BY source, cache, host, executor;
