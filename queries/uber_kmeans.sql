-- Where pickups gather: clusters of places, the largest first, and how many pickups fall on each hour of the busiest.
--
-- reads:  pickups: a CSV file with the columns pickup_time (a timestamp), lat and lon, as Uber's of New York
-- writes: tables to stdout: the model, its clusters, metrics, and the hours
--
-- set: input = pickups.csv
-- set: clusters = 8
-- set: seed = 1

CREATE MODEL pickups USING kmeans(k => ${clusters}, seed => ${seed}) AS SELECT lat, lon FROM '${input}';

SELECT cluster, size, cost, centre[1] AS lat, centre[2] AS lon FROM model('pickups');

EVALUATE MODEL pickups AS SELECT lat, lon FROM '${input}';

SELECT date_part('hour', pickup_time) AS hour, count(*) AS pickups
FROM '${input}'
WHERE predict('pickups', lat, lon) = 0
GROUP BY hour ORDER BY hour;
