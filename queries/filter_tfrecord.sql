-- Only some records are kept: those of some classes whose image is large enough, by its header.
--
-- reads:  shards of TFRecord with the features image and class: a directory or glob
-- writes: the records that are kept, with all their features, in as many shards as the input has or fewer, and _manifest.json
--
-- set: input = out/flowers
-- set: output = out/filtered
-- set: classes = 0, 2
-- set: least_width = 32
-- set: prefix = flowers
-- set: overwrite = false

COPY (
    SELECT *
    FROM read_tfrecord('${input}')
    WHERE class IN (${classes}) AND image_info(image)['width'] >= ${least_width}
)
TO '${output}'
STORED AS TFRECORD
OPTIONS (prefix '${prefix}', overwrite ${overwrite});
