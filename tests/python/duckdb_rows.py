"""Answers queries over the Parquet files of a directory: one JSON text a line on stdin, one JSON list of rows a line on stdout."""

import json
import pathlib
import sys

import duckdb


def cell(value):
    if value is None:
        return "NULL"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float):
        mantissa, exponent = f"{value:.8e}".split("e")
        return f"{mantissa}e{int(exponent)}"
    return str(value)


connection = duckdb.connect()
for path in sorted(pathlib.Path(sys.argv[1]).glob("*.parquet")):
    connection.execute(f"CREATE TABLE {path.stem} AS SELECT * FROM '{path}'")
for line in sys.stdin:
    try:
        rows = connection.execute(json.loads(line)).fetchall()
        answer = ["|".join(cell(value) for value in row) for row in rows]
    except duckdb.Error as error:
        answer = str(error)
    print(json.dumps(answer), flush=True)
