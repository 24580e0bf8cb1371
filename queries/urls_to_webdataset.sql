-- A list of URLs with captions becomes tar shards for the webdataset package, as img2dataset makes them: photos on the web, resized to
-- 256x256 with a white border, JPEG of quality 95, captions and what is known of each image beside it. Then how many there are of each
-- status.
--
-- reads:  a list of images: Parquet, CSV or JSON files with the columns url and caption
-- writes: tar shards of samples with the members jpg (256x256), txt (the caption) and json, _manifest.json, _rejects_none.csv and, if
--         needed, _rejects.csv; a table to stdout
--
-- set: input = data/urls.parquet
-- set: output = out/urls_webdataset
-- set: shards = 16
-- set: overwrite = false
-- set: timeout = 10
-- set: retries = 2
-- set: user_agent = pixmill

CREATE EXTERNAL TABLE images
STORED AS IMAGES
LOCATION '${input}'
OPTIONS (url 'url', timeout_seconds ${timeout}, retries ${retries}, user_agent '${user_agent}');

COPY (
    SELECT
        image_encode(
            -- The side that isn't 256 pixels long has its border; what is more than that is cut off.
            image_center_crop(
                image_pad(image_resize(image_decode(content), 256, 256, fit => 'inside', filter => 'area'), 128, 128, 128, 128, fill => 255),
                256, 256
            ),
            quality => 95
        ) AS jpg,
        coalesce(caption, '') AS txt,
        named_struct(
            'url', url,
            'caption', caption,
            'original_width', image_info(content)['width'],
            'original_height', image_info(content)['height'],
            'sha256', encode(sha256(content), 'hex')
        ) AS json
    FROM images
)
TO '${output}'
STORED AS WEBDATASET
OPTIONS (prefix 'images', shards ${shards}, overwrite ${overwrite});

-- The list of rejected rows is only there where there are some: beside it stands one without any.
COPY (SELECT '' AS path, '' AS stage, '' AS class, '' AS reason LIMIT 0) TO '${output}/_rejects_none.csv' STORED AS CSV OPTIONS (format.has_header true);

CREATE EXTERNAL TABLE rejects (path VARCHAR, stage VARCHAR, class VARCHAR, reason VARCHAR)
STORED AS CSV
LOCATION '${output}/_rejects*.csv';

SELECT reason AS status, count(*) AS images FROM rejects GROUP BY reason
UNION ALL
SELECT 'success', (SELECT count(*) FROM images) - (SELECT count(*) FROM rejects)
ORDER BY images DESC, status;
