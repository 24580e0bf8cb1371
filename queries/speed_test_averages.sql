-- What speed tests have measured, averaged per source, batch size, number of batches, and product of the two.
--
-- images_per_second is the mean of the measurements, overall_images_per_second all their images by all their seconds, in which slow
-- measurements weigh more. Both are made of partial sums and counts, so that they are the same on a cluster.
--
-- reads:  results of `pixmill speed-test`: a directory or file
-- writes: a table to stdout
--
-- set: input = results
-- set: run = %

CREATE EXTERNAL TABLE results STORED AS PARQUET LOCATION '${input}';

WITH measured AS (
    SELECT *, batch_size * batch_number AS product FROM results WHERE error IS NULL AND run LIKE '${run}'
),
grouped AS (
    SELECT source, cache, 1 AS part, 'all' AS per, NULL AS value, images, seconds, images_per_second, mb_per_second FROM measured
    UNION ALL
    SELECT source, cache, 2, 'batch_size', batch_size, images, seconds, images_per_second, mb_per_second FROM measured
    UNION ALL
    SELECT source, cache, 3, 'batch_number', batch_number, images, seconds, images_per_second, mb_per_second FROM measured
    UNION ALL
    SELECT source, cache, 4, 'product', product, images, seconds, images_per_second, mb_per_second FROM measured
)
SELECT
    source,
    cache,
    per,
    value,
    count(*) AS measurements,
    round(avg(images_per_second), 1) AS images_per_second,
    round(stddev_samp(images_per_second), 1) AS deviation,
    round(min(images_per_second), 1) AS least,
    round(max(images_per_second), 1) AS most,
    round(avg(mb_per_second), 2) AS mb_per_second,
    round(sum(images) / sum(seconds), 1) AS overall_images_per_second
FROM grouped
GROUP BY source, cache, part, per, value
ORDER BY source, cache, part, value;
