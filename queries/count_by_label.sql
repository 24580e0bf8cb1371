-- How many images there are of each label, and how large they are. Opens no image.
--
-- reads:  a directory or glob of images; its folder names are the labels
-- writes: a table to stdout
--
-- set: input = data/flowers
-- generate: input = 3000 images in 5 classes

SELECT
    label,
    class,
    count(*) AS images,
    sum(length) AS bytes,
    min(length) AS smallest,
    max(length) AS largest
FROM read_images('${input}')
GROUP BY label, class
ORDER BY label;
