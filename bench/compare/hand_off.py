"""Reads all events as one consumer does: `hand_off.py <consumer> <source> [<token>]`.

Prints as JSON how many there are, the latest timestamp, the event types, and the seconds from the first request or the first byte to these, in which every
column has been read; of files that are mapped, the columns that were asked for. `hand_off.py fill <database> <recording>` makes DuckDB's own table.
"""

import io
import json
import sys
import time
import urllib.request
from pathlib import Path

import duckdb
import polars
import pyarrow
import pyarrow.compute
import pyarrow.ipc
import pyarrow.json


def served(url: str, token: str):
    return urllib.request.urlopen(urllib.request.Request(url, headers={"Authorization": f"Bearer {token}"}))


def mapped(folder: str) -> pyarrow.Table:
    files = sorted(Path(folder).glob("*.arrow"))
    return pyarrow.concat_tables([pyarrow.ipc.open_file(pyarrow.memory_map(str(file))).read_all() for file in files])


def streamed(url: str, token: str) -> pyarrow.Table:
    with pyarrow.ipc.open_stream(served(f"{url}/v1/events.arrows", token)) as stream:
        return stream.read_all()


def parquet(url: str, token: str) -> polars.DataFrame:
    return polars.read_parquet(io.BytesIO(served(f"{url}/v1/events.parquet", token).read()))


def duckdb_table(database: str) -> pyarrow.Table:
    with duckdb.connect(database, read_only=True) as connection:
        return connection.sql("FROM events").to_arrow_table()


def fill(database: str, folder: str) -> None:
    with duckdb.connect(database) as connection:
        connection.register("mapped", mapped(folder))
        connection.sql("CREATE TABLE events AS FROM mapped")


CONSUMERS = {
    "pyarrow-mapped": mapped,
    "pyarrow-served": streamed,
    "polars-served": parquet,
    "pyarrow-json": pyarrow.json.read_json,
    "polars-json": polars.read_ndjson,
    "pyarrow-duckdb": duckdb_table,
}


def totals(events: pyarrow.Table | polars.DataFrame) -> dict:
    names = events.columns if isinstance(events, polars.DataFrame) else events.column_names
    types = "event_type" if "event_type" in names else "eventType"
    if isinstance(events, polars.DataFrame):
        return {"events": events.height, "last": events["timestamp"].max(), "types": events[types].n_unique()}
    last = pyarrow.compute.max(events["timestamp"]).as_py()
    return {"events": events.num_rows, "last": last, "types": len(events[types].unique())}


def main(consumer: str, *source: str) -> None:
    if consumer == "fill":
        return fill(*source)
    start = time.perf_counter()
    found = totals(CONSUMERS[consumer](*source))
    print(json.dumps(found | {"seconds": time.perf_counter() - start}))


main(*sys.argv[1:])
