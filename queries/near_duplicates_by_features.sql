-- Photos in which a network sees nearly the same: the cosine of the angle between their features is close to 1.
--
-- Unlike hashes (near_duplicates.sql), features tell of photos of the same thing, also where it stands elsewhere or was cut out. They come
-- scaled, so that what all photos have doesn't make them alike. Each photo is compared with each: 10,000 photos are 50 million pairs.
--
-- reads:  features: Parquet files with the columns path, label and features, as fruits_features.sql writes them
-- writes: a table to stdout: pairs of paths, and how alike they are: 1 is the same
--
-- set: input = out/features
-- set: alike = 0.99

CREATE TABLE scaled AS
SELECT path, standard_scores((SELECT standard_scaler(features) FROM '${input}/*.parquet'), features) AS x
FROM '${input}/*.parquet'
WHERE features IS NOT NULL;

SELECT a.path, b.path AS looks_like, round(1 - cosine_distance(a.x, b.x), 4) AS alike
FROM scaled AS a
JOIN scaled AS b ON a.path < b.path
WHERE cosine_distance(a.x, b.x) <= 1 - ${alike}
ORDER BY alike DESC, path, looks_like;
