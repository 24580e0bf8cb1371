-- Photos told apart by a network's features and a logistic regression: features, scaler, model and metrics in one file.
--
-- reads:  a directory or glob of images, whose folder names are the labels; an ONNX model
-- writes: tables to stdout: the model, its metrics on the photos that it wasn't fitted to, and which labels are taken for which
--
-- set: input = data/flowers
-- set: model = data/textures.onnx
-- set: l2 = 1.0
-- set: seed = 1
--
-- generate: input = 3000 images in 5 classes
-- generate: model = an ONNX model

CREATE TABLE photos AS
SELECT path, label, image_features(image_decode(content), '${model}') AS features
FROM read_images('${input}');

CREATE MODEL labels USING standard_scaler() | logistic_regression(label => label, l2 => ${l2})
AS SELECT label, features FROM photos WHERE hash_fraction(path, seed => ${seed}) < 0.8;

EVALUATE MODEL labels AS SELECT label, features FROM photos WHERE hash_fraction(path, seed => ${seed}) >= 0.8;

EVALUATE MODEL labels CONFUSION AS SELECT label, features FROM photos WHERE hash_fraction(path, seed => ${seed}) >= 0.8;
