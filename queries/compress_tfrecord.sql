-- Shards are compressed, or decompressed: shard by shard, the same records.
--
-- What the input is compressed with is found out from the files. JPEGs don't get smaller: this is for features that are numbers or text.
--
-- reads:  shards of TFRecord, plain, gzip or zlib: a directory or glob
-- writes: one shard for each of the input, with the same features, and _manifest.json
--
-- set: input = out/flowers
-- set: output = out/compressed
-- set: compression = gzip
-- set: prefix = flowers
-- set: overwrite = false

COPY (SELECT * FROM read_tfrecord('${input}'))
TO '${output}'
STORED AS TFRECORD
OPTIONS (prefix '${prefix}', compression '${compression}', overwrite ${overwrite});
