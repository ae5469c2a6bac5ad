"""Reads a recording's sealed segments, and exports of it, as analysts do, and compares totals with those of the API.

Run by `npm run test:python`, which makes the recording. The argument is a folder with `recording`, `expected.json` and exports.
"""

import json
import sys
from collections import Counter
from pathlib import Path

import duckdb
import polars
import pyarrow
import pyarrow.compute
import pyarrow.ipc
import pyarrow.parquet


def mapped(path: Path) -> pyarrow.Table:
    """A table over the file's own pages: nothing is read until it is looked at, and nothing is copied."""
    before = pyarrow.total_allocated_bytes()
    table = pyarrow.ipc.open_file(pyarrow.memory_map(str(path))).read_all()
    allocated = pyarrow.total_allocated_bytes() - before
    assert allocated == 0, f"{path.name}: mapping it has allocated {allocated} bytes"
    table.validate(full=True)
    return table


def totals_of_arrow(tables: list[pyarrow.Table]) -> dict:
    counts, regions, traces = Counter(), Counter(), set()
    duration = lines = events = 0
    for table in tables:
        events += table.num_rows
        for count in table["event_type"].value_counts().to_pylist():
            counts[count["values"]] += count["counts"]
        for tags in table["tags"].to_pylist():
            regions.update(value for key, value in tags or [] if key == "region")
        traces.update(table["correlation_id"].unique().drop_null().to_pylist())
        for data in table["data"].drop_null().to_pylist():
            duration += (json.loads(data) or {}).get("duration_ns", 0)
        lines += pyarrow.compute.sum(table["line"]).as_py() or 0

    def bound(name: str, function: str) -> int:
        of = [pyarrow.compute.min_max(table[name].cast("int64"))[function].as_py() for table in tables]
        return min(of) if function == "min" else max(of)

    return {
        "events": events,
        "eventTypes": dict(counts),
        "regions": dict(regions),
        "duration": str(duration),
        "first": str(bound("timestamp", "min")),
        "last": str(bound("timestamp", "max")),
        "firstWall": str(bound("wall_time", "min")),
        "lastWall": str(bound("wall_time", "max")),
        "traces": str(len(traces)),
        "lines": str(lines),
    }


def totals_of_polars(frame: polars.DataFrame) -> dict:
    def counts(series: polars.Series) -> dict:
        return {str(value): count for value, count in series.drop_nulls().cast(polars.String).value_counts().rows()}

    duration = polars.col("data").str.json_path_match("$.duration_ns").cast(polars.Int64).sum()
    row = frame.select(
        duration=duration,
        first=polars.col("timestamp").min(),
        last=polars.col("timestamp").max(),
        firstWall=polars.col("wall_time").cast(polars.Int64).min(),
        lastWall=polars.col("wall_time").cast(polars.Int64).max(),
        traces=polars.col("correlation_id").drop_nulls().n_unique(),
        lines=polars.col("line").cast(polars.Int64).sum(),
    ).to_dicts()[0]
    return {
        "events": frame.height,
        "eventTypes": counts(frame["event_type"]),
        "regions": counts(frame.select(polars.col("tags").map.get("region")).to_series()),
        **{name: str(value) for name, value in row.items()},
    }


def totals_of_duckdb(source: str, **tables: pyarrow.Table) -> dict:
    connection = duckdb.connect()
    for name, table in tables.items():
        connection.register(name, table)

    def one(expression: str) -> str:
        return str(connection.sql(f"SELECT {expression} FROM {source}").fetchall()[0][0])

    def counts(expression: str) -> dict:
        return dict(connection.sql(f"SELECT {expression} AS value, count(*) FROM {source} GROUP BY 1 HAVING value IS NOT NULL").fetchall())

    return {
        "events": int(one("count(*)")),
        "eventTypes": counts("event_type::VARCHAR"),
        "regions": counts("tags['region']"),
        "duration": one("sum((data->>'$.duration_ns')::BIGINT)::BIGINT"),
        "first": one("min(timestamp)"),
        "last": one("max(timestamp)"),
        "firstWall": one("min(epoch_ns(wall_time))"),
        "lastWall": one("max(epoch_ns(wall_time))"),
        "traces": one("count(DISTINCT correlation_id)"),
        "lines": one("coalesce(sum(line), 0)::BIGINT"),
    }


def main(folder: Path) -> int:
    expected = json.loads((folder / "expected.json").read_text())
    segments = sorted((folder / "recording").glob("*.arrow"))
    assert len(segments) > 1, "the recording should have several segments"
    tables = [mapped(path) for path in segments]
    exported = mapped(folder / "export.arrow")
    with pyarrow.ipc.open_stream(folder / "export.arrows") as stream:
        streamed = [pyarrow.Table.from_batches([batch]) for batch in stream]
    parquet = str(folder / "export.parquet")
    found = {
        "pyarrow, sealed segments mapped": lambda: totals_of_arrow(tables),
        "Polars, sealed segments mapped": lambda: totals_of_polars(polars.scan_ipc(segments).collect()),
        "DuckDB, sealed segments mapped by pyarrow": lambda: totals_of_duckdb("segments", segments=pyarrow.concat_tables(tables)),
        "pyarrow, exported Arrow file mapped": lambda: totals_of_arrow([exported]),
        "Polars, exported Arrow file mapped": lambda: totals_of_polars(polars.scan_ipc(folder / "export.arrow").collect()),
        "DuckDB, exported Arrow file mapped by pyarrow": lambda: totals_of_duckdb("exported", exported=exported),
        "pyarrow, exported Arrow stream": lambda: totals_of_arrow(streamed),
        "Polars, exported Arrow stream": lambda: totals_of_polars(polars.read_ipc_stream(folder / "export.arrows")),
        "pyarrow, exported Parquet": lambda: totals_of_arrow([pyarrow.parquet.read_table(parquet)]),
        "Polars, exported Parquet": lambda: totals_of_polars(polars.read_parquet(parquet)),
        "DuckDB, exported Parquet": lambda: totals_of_duckdb(f"'{parquet}'"),
    }
    failed = 0
    for name, totals in found.items():
        try:
            actual = totals()
            wrong = {key: (actual[key], value) for key, value in expected.items() if actual[key] != value}
        except Exception as error:  # pylint: disable=broad-except
            wrong = error
        if wrong:
            failed += 1
        print(f"{'FAILED' if wrong else 'passed'}  {name}{f': {wrong!r}' if wrong else ''}")
    print(f"{len(found) - failed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
