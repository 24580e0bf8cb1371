-- Photos become shards for training, validation and test: 80, 10 and 10 of a hundred, in a directory each.
--
-- A photo's split is decided by the MD5 of its folder and name, so it is the same in every run, on every machine, wherever the photos are,
-- and stays what it is when other photos are added. 'cccc' is 80 % of the way from '0000' to 'ffff', 'e666' is 90 %.
--
-- reads:  a directory or glob of images; its folder names are the labels
-- writes: split=train, split=validation and split=test with shards of the features image (JPEG, 192x192) and class (int64), one
--         _manifest.json for all
--
-- set: input = data/flowers
-- set: output = out/split
-- set: shards = 4
-- set: seed = 42
-- set: overwrite = false
-- generate: input = 3000 images in 5 classes

CREATE EXTERNAL TABLE flowers
STORED AS IMAGES
LOCATION '${input}'
OPTIONS (shuffle_seed ${seed});

COPY (
    SELECT
        image_encode(image_resize(image_decode(content), 192, 192, fit => 'cover')) AS image,
        class,
        CASE WHEN hash < 'cccc' THEN 'train' WHEN hash < 'e666' THEN 'validation' ELSE 'test' END AS split
    FROM (SELECT content, class, md5(regexp_replace(path, '^.*/([^/]*/[^/]*)$', '\1')) AS hash FROM flowers)
)
TO '${output}'
STORED AS TFRECORD
PARTITIONED BY (split)
OPTIONS (prefix 'flowers', shards ${shards}, overwrite ${overwrite});
