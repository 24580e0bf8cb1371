-- How many bytes a photo takes, from what it looks like: a pipeline of a scaler and a linear regression, fitted to four fifths of the photos.
--
-- reads:  a directory or glob of images
-- writes: tables to stdout: the model, its coefficients (of numbers that are scaled), and how far off it is on the other photos
--
-- set: input = data/flowers
-- set: seed = 1
--
-- generate: input = 3000 images in 5 classes

CREATE TABLE photos AS
SELECT path, length, image_info(content)['width'] * image_info(content)['height'] AS pixels,
    image_stats(image_decode(content))['mean'] AS colour, image_stats(image_decode(content))['std'] AS contrast
FROM read_images('${input}');

CREATE MODEL bytes USING standard_scaler() | linear_regression(label => length)
AS SELECT length, pixels, colour, contrast FROM photos WHERE hash_fraction(path, seed => ${seed}) < 0.8;

SELECT * FROM model('bytes');

EVALUATE MODEL bytes AS SELECT * FROM photos WHERE hash_fraction(path, seed => ${seed}) >= 0.8;
