-- What a classifier takes each photo for, beside its label: how often, and how sure it was.
--
-- reads:  a directory or glob of images, whose folder names are the labels; an ONNX model
-- writes: a table to stdout
--
-- set: input = data/flowers
-- set: model = data/textures.onnx
-- generate: input = 3000 images in 5 classes
-- generate: model = an ONNX model

SELECT
    label,
    best['label'] AS taken_for,
    count(*) AS photos,
    round(avg(best['probability']), 3) AS probability
FROM (
    SELECT label, image_classify(image_decode(content), '${model}', top => 1)[1] AS best
    FROM read_images('${input}')
)
GROUP BY label, taken_for
ORDER BY label, photos DESC, taken_for;
