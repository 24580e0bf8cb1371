-- Photos in one folder per class become shuffled Parquet files whose images Hugging Face's datasets and its viewer show.
--
-- reads:  a directory or glob of images; its folder names are the labels
-- writes: Parquet files with the columns image (JPEG, 192x192) and class (with the labels' names), _manifest.json and, if needed,
--         _rejects.csv
--
-- set: input = data/flowers
-- set: output = out/flowers_huggingface
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
        class
    FROM flowers
)
TO '${output}'
STORED AS PARQUET
OPTIONS (huggingface true, shards ${shards}, overwrite ${overwrite});
