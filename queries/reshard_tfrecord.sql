-- Shards are cut anew: another number of shards, the same records in the same order.
--
-- Record counts of the new shards differ by one at most. Where each record is comes from the old shards' indexes, else from walking over
-- their frames, which reads no data of uncompressed files.
--
-- reads:  shards of TFRecord, by pixmill or by others: a directory or glob
-- writes: as many shards as are asked for, with the same features, and _manifest.json
--
-- set: input = out/flowers
-- set: output = out/resharded
-- set: shards = 4
-- set: prefix = flowers
-- set: overwrite = false

COPY (SELECT * FROM read_tfrecord('${input}'))
TO '${output}'
STORED AS TFRECORD
OPTIONS (prefix '${prefix}', shards ${shards}, overwrite ${overwrite});
