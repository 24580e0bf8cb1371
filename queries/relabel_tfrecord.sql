-- Records get other labels: classes are merged and named, and the images stay the bytes that they are.
--
-- reads:  shards of TFRecord with the features image and class: a directory or glob
-- writes: one shard for each of the input, with the features image, class (int64) and label (bytes), and _manifest.json
--
-- set: input = out/flowers
-- set: output = out/relabelled
-- set: prefix = flowers
-- set: overwrite = false

COPY (
    SELECT
        image,
        CASE WHEN class = 2 THEN 1 ELSE 0 END AS class,
        CASE WHEN class = 2 THEN 'rose' ELSE 'other' END AS label
    FROM read_tfrecord('${input}')
)
TO '${output}'
STORED AS TFRECORD
OPTIONS (prefix '${prefix}', overwrite ${overwrite});
