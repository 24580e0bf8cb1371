-- How fast a source is read: images per second by batch size, number of batches and repetition.
--
-- Each run measures anew. `pixmill speed-test` does the same and keeps the rows in a file, for the queries speed_test_*.sql and
-- `pixmill report`.
--
-- reads:  a directory or glob of images or of TFRecord shards
-- writes: a table to stdout
--
-- set: input = data/flowers
-- set: batch_sizes = 2,4,8
-- set: batch_numbers = 3,6
-- set: repetitions = 2
-- set: cold = false
-- generate: input = 3000 images in 5 classes

SELECT
    batch_size,
    batch_number,
    repetition,
    images,
    round(seconds, 4) AS seconds,
    round(images_per_second, 1) AS images_per_second,
    round(mb_per_second, 2) AS mb_per_second,
    round(first_batch_seconds, 4) AS first_batch_seconds,
    executor,
    cache
FROM speed_test(
    '${input}',
    batch_sizes => '${batch_sizes}',
    batch_numbers => '${batch_numbers}',
    repetitions => ${repetitions},
    cold => ${cold}
)
ORDER BY batch_size, batch_number, repetition;
