-- What a network sees in each photo, as a list of numbers, into Parquet files.
--
-- Any ONNX model of images does: what its output named 'features' gives, or any other value of its graph by
-- image_features(..., output => 'name').
--
-- reads:  a directory or glob of images, whose folder names are the labels; an ONNX model
-- writes: Parquet files with the columns path, label and features, as Hugging Face names them, _manifest.json and, if needed, _rejects.csv
--
-- set: input = data/flowers
-- set: model = data/textures.onnx
-- set: output = out/features
-- set: shards = 4
-- set: overwrite = false
-- generate: input = 3000 images in 5 classes
-- generate: model = an ONNX model

COPY (
    SELECT path, label, image_features(image_decode(content), '${model}') AS features
    FROM read_images('${input}')
)
TO '${output}'
STORED AS PARQUET
OPTIONS (huggingface true, shards ${shards}, overwrite ${overwrite});
