-- How many times as fast shards are read as files, per batch size and number of batches.
--
-- Means of images per second of each combination, over all repetitions; sources that were read from a disk and from memory are compared
-- with their like alone.
--
-- reads:  results of `pixmill speed-test` of image files and of shards: a directory or file
-- writes: a table to stdout
--
-- set: input = results
-- set: run = %

CREATE EXTERNAL TABLE results STORED AS PARQUET LOCATION '${input}';

WITH averages AS (
    SELECT
        source,
        format,
        cache,
        batch_size,
        batch_number,
        avg(images_per_second) AS images_per_second,
        avg(first_batch_seconds) AS first_batch_seconds
    FROM results
    WHERE error IS NULL AND run LIKE '${run}'
    GROUP BY source, format, cache, batch_size, batch_number
)
SELECT
    files.source AS files,
    shards.source AS shards,
    files.cache,
    files.batch_size,
    files.batch_number,
    round(files.images_per_second, 1) AS files_images_per_second,
    round(shards.images_per_second, 1) AS shards_images_per_second,
    round(shards.images_per_second / files.images_per_second, 2) AS speedup,
    round(files.first_batch_seconds / shards.first_batch_seconds, 2) AS first_batch_speedup
FROM averages AS files
JOIN averages AS shards
    ON shards.batch_size = files.batch_size
    AND shards.batch_number = files.batch_number
    AND (shards.cache IS NOT DISTINCT FROM files.cache)
WHERE files.format = 'images' AND shards.format = 'tfrecord'
ORDER BY files, shards, cache, batch_size, batch_number;
