-- Photos in one folder per class become shuffled tar shards for the webdataset package.
--
-- reads:  a directory or glob of images; its folder names are the labels
-- writes: tar shards of samples with the members jpg (192x192), cls (the class number) and json (label and path), _manifest.json and, if
--         needed, _rejects.csv
--
-- set: input = data/flowers
-- set: output = out/flowers_webdataset
-- set: shards = 16
-- set: seed = 42
-- set: overwrite = false
-- generate: input = 3000 images in 5 classes

CREATE EXTERNAL TABLE flowers
STORED AS IMAGES
LOCATION '${input}'
OPTIONS (shuffle_seed ${seed});

COPY (
    SELECT
        image_encode(image_resize(image_decode(content), 192, 192, fit => 'cover')) AS jpg,
        class AS cls,
        named_struct('label', label, 'path', path) AS json
    FROM flowers
)
TO '${output}'
STORED AS WEBDATASET
OPTIONS (prefix 'flowers-train', shards ${shards}, overwrite ${overwrite});
