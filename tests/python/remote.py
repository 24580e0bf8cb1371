"""What the ADBC driver for Flight SQL does with a pixmill server, without a token and with one, and over TLS."""

import sys
import threading
import time

import adbc_driver_flightsql.dbapi as flight
import pyarrow
from adbc_driver_flightsql import DatabaseOptions

open_uri, secure_uri, certificate, token = sys.argv[1:]
ENDLESS = "SELECT count(*) FROM generate_series(1, 100000000000000) WHERE value % 7 = 8"


def rows(cursor, sql, parameters=None):
    cursor.execute(sql, parameters)
    return cursor.fetchall()


def refused(connect):
    try:
        with connect() as connection, connection.cursor() as cursor:
            rows(cursor, "SELECT 1")
    except flight.Error as error:
        return str(error)
    raise AssertionError("nobody was refused")


def tables_and_columns_are_listed(connection, cursor):
    cursor.execute("CREATE EXTERNAL TABLE photos STORED AS IMAGES LOCATION 'photos'")
    [catalog] = connection.adbc_get_objects(depth="all").read_all().to_pylist()
    [schema] = catalog["catalog_db_schemas"]
    [table] = schema["db_schema_tables"]
    names = catalog["catalog_name"], schema["db_schema_name"], table["table_name"], table["table_type"]
    assert names == ("datafusion", "public", "photos", "TABLE"), names
    columns = [column["column_name"] for column in table["table_columns"]]
    assert columns == ["path", "modification_time", "length", "label", "class", "content"], columns
    assert connection.adbc_get_table_schema("photos").names == columns
    assert connection.adbc_current_db_schema == "public"
    assert connection.adbc_get_info()["vendor_name"] == "pixmill"


def ten_thousand_images_arrive(cursor):
    cursor.execute("SELECT content FROM photos CROSS JOIN generate_series(1, 500)")
    images = size = 0
    for batch in cursor.fetch_record_batch():
        images += batch.num_rows
        for content in batch.column("content"):
            bytes_of_image = content.as_buffer()
            assert bytes_of_image[:2] == b"\xff\xd8"
            size += bytes_of_image.size
    assert images == 10_000 and size > 200_000_000, (images, size)


def a_copy_writes_its_shards(cursor):
    cursor.execute("COPY (SELECT content AS image, class FROM photos) TO 'out' STORED AS TFRECORD OPTIONS (shards 4)")
    shards = cursor.fetch_arrow_table()
    assert shards.column_names == ["path", "records", "bytes", "rejected"] and shards.num_rows == 4
    assert rows(cursor, "SELECT count(*) FROM read_tfrecord('out/*.tfrec')") == [(20,)]


def parameters_are_bound(cursor):
    sql = "SELECT label, count(*) FROM photos WHERE length > ? AND label = ? GROUP BY label"
    assert rows(cursor, sql, (0, "daisy")) == [("daisy", 10)]
    assert rows(cursor, sql, (0, "it's")) == []
    cursor.execute("CREATE TABLE notes (n BIGINT, t VARCHAR)")
    cursor.executemany("INSERT INTO notes VALUES (?, ?)", [(1, "a"), (2, None)])
    assert cursor.rowcount == 2
    assert rows(cursor, "SELECT n, t FROM notes ORDER BY n") == [(1, "a"), (2, None)]


def rows_are_ingested(cursor):
    ratings = pyarrow.table({"label": ["daisy", "dandelion"], "stars": [5, 3]})
    assert cursor.adbc_ingest("ratings", ratings, mode="create") == 2
    sql = "SELECT DISTINCT label, stars FROM photos JOIN ratings USING (label) ORDER BY label"
    assert rows(cursor, sql) == [("daisy", 5), ("dandelion", 3)]


def a_query_is_cancelled(connection):
    cursor, ended = connection.cursor(), {}

    def work():
        try:
            ended["rows"] = rows(cursor, ENDLESS)
        except flight.Error as error:
            ended["error"] = error

    thread = threading.Thread(target=work)
    thread.start()
    time.sleep(0.5)
    started = time.monotonic()
    cursor.adbc_cancel()
    thread.join(20)
    assert not thread.is_alive() and time.monotonic() - started < 10
    assert "CANCELLED" in str(ended["error"]), ended
    assert rows(connection.cursor(), "SELECT 1") == [(1,)]


def sessions_are_apart(connection):
    with flight.connect(open_uri, autocommit=True) as other, other.cursor() as cursor:
        cursor.execute("SET pixmill.batch_bytes = 123456")
        cursor.execute("CREATE TABLE only_mine AS SELECT 1 AS n")
        assert other.adbc_connection.get_option("adbc.flight.sql.session.option.pixmill.batch_bytes") == "123456"
    try:
        rows(connection.cursor(), "SELECT * FROM only_mine")
        raise AssertionError("another client's table is there")
    except flight.ProgrammingError as error:
        assert "only_mine" in str(error)


def cookies_keep_the_session():
    cookies = {DatabaseOptions.WITH_COOKIE_MIDDLEWARE.value: "true"}
    with flight.connect(open_uri, cookies, autocommit=True) as connection, connection.cursor() as cursor:
        cursor.execute("CREATE TABLE mine AS SELECT 1 AS n")
        assert rows(cursor, "SELECT n FROM mine") == [(1,)]


def only_the_token_comes_in():
    with open(certificate, encoding="utf-8") as file:
        tls = {DatabaseOptions.TLS_ROOT_CERTS.value: file.read()}
    header = DatabaseOptions.AUTHORIZATION_HEADER.value
    connect = lambda options: lambda: flight.connect(secure_uri, {**tls, **options}, autocommit=True)
    without, wrong = refused(connect({})), refused(connect({header: "Bearer wrong"}))
    assert "this server asks for a token" in without, without
    assert "UNAUTHENTICATED" in wrong and "the token is wrong" in wrong, wrong
    wrong = refused(connect({"username": "ann", "password": "wrong"}))
    assert "the token is wrong" in wrong, wrong
    for options in [{header: f"Bearer {token}"}, {"username": "ann", "password": token}]:
        with connect(options)() as connection, connection.cursor() as cursor:
            assert rows(cursor, "SELECT 1") == [(1,)]
    with flight.connect(open_uri, {"username": "ann", "password": "any"}, autocommit=True) as connection:
        assert rows(connection.cursor(), "SELECT 1") == [(1,)]
    untrusted = refused(lambda: flight.connect(secure_uri, {header: f"Bearer {token}"}, autocommit=True))
    assert "certificate" in untrusted, untrusted


with flight.connect(open_uri, autocommit=True) as connection, connection.cursor() as cursor:
    tables_and_columns_are_listed(connection, cursor)
    ten_thousand_images_arrive(cursor)
    a_copy_writes_its_shards(cursor)
    parameters_are_bound(cursor)
    rows_are_ingested(cursor)
    a_query_is_cancelled(connection)
    sessions_are_apart(connection)
cookies_keep_the_session()
only_the_token_comes_in()
