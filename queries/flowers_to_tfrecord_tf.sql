-- The same shards with the pixels of TensorFlow's tutorials, for comparing with, or continuing, what was trained on those.
--
-- EXIF is ignored, grey photos stay grey, resizing takes four taps and truncates (tf.image.resize), chroma is whole,
-- quality is 95: each JPEG has the bytes that TensorFlow's own decode_jpeg, resize and encode_jpeg give.
--
-- reads:  a directory or glob of images; its folder names are the labels
-- writes: shards with the features image (JPEG, 192x192) and class (int64), _manifest.json and, if needed, _rejects.csv
--
-- set: input = data/flowers
-- set: output = out/flowers_tf
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
        image_encode(
            image_resize(
                image_decode(content, mode => 'native', exif => 'ignore'),
                192, 192, fit => 'cover', filter => 'bilinear', antialias => false
            ),
            format => 'jpeg', quality => 95, subsampling => '4:4:4', optimize => true
        ) AS image,
        class
    FROM flowers
)
TO '${output}'
STORED AS TFRECORD
OPTIONS (prefix 'flowers', shards ${shards}, overwrite ${overwrite});
