-- Photos that look alike: resized, recompressed or slightly changed copies of each other.
--
-- Of two hashes that differ in 7 of their 64 bits at most, one of the 8 bytes is the same; so only photos that share a byte at the same
-- place are compared, not all with all.
--
-- reads:  a directory or glob of images
-- writes: a table to stdout: pairs of paths, and in how many bits their hashes differ
--
-- set: input = data/flowers
-- generate: input = 3000 images in 5 classes

CREATE TABLE hashes AS
SELECT path, image_hash(image_decode(content), 'phash') AS hash
FROM read_images('${input}');

WITH bytes AS (
    SELECT path, hash, place, (hash >> (8 * place)) & 255 AS byte
    FROM hashes, (VALUES (0), (1), (2), (3), (4), (5), (6), (7)) AS places(place)
    WHERE hash IS NOT NULL
)
SELECT DISTINCT a.path, b.path AS looks_like, hamming_distance(a.hash, b.hash) AS bits
FROM bytes AS a
JOIN bytes AS b ON a.place = b.place AND a.byte = b.byte AND a.path < b.path
WHERE hamming_distance(a.hash, b.hash) <= 7
ORDER BY bits, path, looks_like;
