-- Features, each number scaled to mean 0 and standard deviation 1, projected to the principal components, into Parquet files.
--
-- There are as many components as are asked for, or as the features have; the first table says how much of the variance they hold.
--
-- reads:  features: Parquet files with the columns path, label and features, as fruits_features.sql writes them
-- writes: a table to stdout; Parquet files with the columns path, label and pca, and _manifest.json
--
-- set: input = out/features
-- set: components = 300
-- set: output = out/pca
-- set: shards = 1
-- set: overwrite = false

CREATE VIEW scaled AS
SELECT path, label, standard_scores((SELECT standard_scaler(features) FROM '${input}/*.parquet'), features) AS x
FROM '${input}/*.parquet';

CREATE TABLE fitted AS
SELECT pca(x, ${components}) AS model FROM scaled;

SELECT
    model['n'] AS photos,
    array_length(model['components']) AS components,
    round(array_sum(model['explained_variance_ratio']), 4) AS share_of_variance,
    model['note'] AS note
FROM fitted;

COPY (
    SELECT path, label, pca_projection((SELECT model FROM fitted), x) AS pca
    FROM scaled
    ORDER BY path
)
TO '${output}'
STORED AS PARQUET
OPTIONS (huggingface true, shards ${shards}, overwrite ${overwrite});
