-- The health of a folder of images: what can't be decoded, by label and class of fault; which formats and sizes there are; which files
-- are copies of each other, to the byte, and which look alike: their hashes differ in so many bits (0 to 7) at most.
--
-- reads:  a folder of images, or a pattern
-- writes: four tables to stdout
--
-- set: input = data/flowers
-- set: distance = 4
-- generate: input = 3000 images in 5 classes

CREATE EXTERNAL TABLE images
STORED AS IMAGES
LOCATION '${input}';

SELECT
    label,
    CASE WHEN content IS NULL THEN 'unreadable' ELSE coalesce(image_error_class(content), 'ok') END AS state,
    count(*) AS images,
    sum(length) AS bytes,
    min(path) AS first
FROM images
GROUP BY label, state
ORDER BY label, state;

SELECT info['format'] AS format, info['width'] AS width, info['height'] AS height, info['channels'] AS channels, count(*) AS images
FROM (SELECT image_info(content) AS info FROM images)
GROUP BY format, width, height, channels
ORDER BY images DESC, format, width, height, channels
LIMIT 20;

SELECT count(*) AS copies, min(path) AS first, max(path) AS last
FROM (SELECT path, sha256(content) AS hash FROM images WHERE content IS NOT NULL AND length > 0)
GROUP BY hash
HAVING count(*) > 1
ORDER BY copies DESC, first
LIMIT 20;

-- Two hashes that differ in 7 bits at most share one of their 8 bytes, so that not all are compared with all.
CREATE TABLE hashes AS
SELECT path, image_hash(image_decode(content)) AS hash FROM images;

WITH bytes AS (
    SELECT path, hash, place, (hash >> (8 * place)) & 255 AS byte
    FROM hashes, (VALUES (0), (1), (2), (3), (4), (5), (6), (7)) AS places(place)
    WHERE hash IS NOT NULL
)
SELECT DISTINCT a.path, b.path AS looks_like, hamming_distance(a.hash, b.hash) AS bits
FROM bytes AS a
JOIN bytes AS b ON a.place = b.place AND a.byte = b.byte AND a.path < b.path
WHERE hamming_distance(a.hash, b.hash) <= least(${distance}, 7)
ORDER BY bits, path, looks_like
LIMIT 20;
