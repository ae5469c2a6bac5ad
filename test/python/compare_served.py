"""Asks a service that is recording, as analysts do, and compares totals with those of the API.

Run by `npm run test:python`, which serves. The argument is a folder with `server.json` and `expected.json`.
"""

import io
import json
import sys
import urllib.error
import urllib.request
from pathlib import Path

import polars
import pyarrow
import pyarrow.ipc
import pyarrow.parquet

from compare import totals_of_arrow, totals_of_duckdb, totals_of_polars

# What the service records meanwhile is not what has been counted.
COUNTED = json.dumps({"where": {"event_type": {"ne": "tick"}}}).encode()


class Service:
    """The few lines that asking it takes."""

    def __init__(self, url: str, token: str) -> None:
        self.url = url
        self.headers = {"Authorization": f"Bearer {token}"}

    def ask(self, path: str, body: bytes | None = None, method: str | None = None, **headers: str):
        return urllib.request.urlopen(urllib.request.Request(self.url + path, body, self.headers | headers, method=method))


class Ranges(io.RawIOBase):
    """A remote file, read by ranges, as fsspec does it; DuckDB's httpfs does the same."""

    def __init__(self, service: Service, path: str) -> None:
        self.service, self.path, self.position, self.requests = service, path, 0, 0
        with service.ask(path, method="HEAD") as head:
            self.size, self.tag = int(head.headers["Content-Length"]), head.headers["ETag"]

    def seekable(self) -> bool:
        return True

    def readable(self) -> bool:
        return True

    def tell(self) -> int:
        return self.position

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        self.position = offset + {io.SEEK_SET: 0, io.SEEK_CUR: self.position, io.SEEK_END: self.size}[whence]
        return self.position

    def readinto(self, buffer) -> int:
        length = min(len(buffer), self.size - self.position)
        if length <= 0:
            return 0
        with self.service.ask(self.path, Range=f"bytes={self.position}-{self.position + length - 1}") as part:
            assert part.status == 206 and part.headers["ETag"] == self.tag, "another file than before"
            data = part.read()
        self.requests += 1
        buffer[: len(data)] = data
        self.position += len(data)
        return len(data)


def live(service: Service) -> str:
    """Follows the service until it has counted to ten without a hole."""
    with service.ask("/v1/live?eventTypes=tick") as response, pyarrow.ipc.open_stream(response) as stream:
        assert "event_type" in stream.schema.names
        ticks, position = [], None
        while len(ticks) < 10:
            batch, metadata = stream.read_next_batch_with_custom_metadata()
            batch.validate(full=True)
            told = {key.decode(): value.decode() for key, value in metadata.items()}
            assert position is None or int(told["kinescope.from_seq"]) == position + 1, told
            assert "kinescope.gap_count" not in told, told
            position = int(told["kinescope.to_seq"])
            ticks += [json.loads(data)["n"] for data in batch["data"].to_pylist()]
            assert batch["event_type"].to_pylist() == ["tick"] * batch.num_rows
    return "" if ticks == list(range(ticks[0], ticks[0] + len(ticks))) else f"{ticks}"


def by_ranges(service: Service) -> str:
    path = "/v1/events.parquet?eventTypes=order&columns=line,data.duration_ns"
    file = Ranges(service, path)
    lines = pyarrow.parquet.read_table(file, columns=["line"])["line"]
    found = pyarrow.compute.sum(lines).as_py(), len(lines)
    with service.ask(path) as whole:
        table = pyarrow.parquet.read_table(io.BytesIO(whole.read()))
    wanted = pyarrow.compute.sum(table["line"]).as_py(), table.num_rows
    return "" if found == wanted and file.requests > 1 else f"{found} by {file.requests} requests, {wanted} as a whole"


def refused(service: Service) -> str:
    try:
        service.ask("/v1/events.arrows?pidd=1")
    except urllib.error.HTTPError as error:
        code = json.load(error)["error"]["code"]
        return "" if (error.code, code) == (400, "INVALID_ARGUMENT") else f"{error.code} {code}"
    return "nothing was refused"


def readme(service: Service, expected: dict) -> str:
    """Runs the example as it is printed."""
    text = (Path(__file__).parents[2] / "README.md").read_text()
    example = text.split("```python\n")[1].split("```")[0]
    names = {"url": service.url, "token": service.headers["Authorization"].removeprefix("Bearer ")}
    exec(example, names)  # pylint: disable=exec-used
    found = names["errors"].num_rows
    return "" if found == expected["eventTypes"]["error"] else f"{found} errors"


def main(folder: Path) -> int:
    expected = json.loads((folder / "expected.json").read_text())
    service = Service(**json.loads((folder / "server.json").read_text()))

    def compared(totals: dict) -> str:
        wrong = {key: (totals[key], value) for key, value in expected.items() if totals[key] != value}
        return f"{wrong}" if wrong else ""

    def streamed() -> pyarrow.Table:
        with service.ask("/v1/events.arrows", COUNTED) as response, pyarrow.ipc.open_stream(response) as stream:
            return stream.read_all()

    def whole(path: str) -> io.BytesIO:
        with service.ask(path, COUNTED) as response:
            return io.BytesIO(response.read())

    checks = {
        "pyarrow, /v1/events.arrows": lambda: compared(totals_of_arrow([pyarrow.Table.from_batches([batch]) for batch in streamed().to_batches()])),
        "DuckDB, /v1/events.arrows by pyarrow": lambda: compared(totals_of_duckdb("streamed", streamed=streamed())),
        "Polars, /v1/events.arrows": lambda: compared(totals_of_polars(polars.read_ipc_stream(whole("/v1/events.arrows")))),
        "Polars, /v1/events.arrow": lambda: compared(totals_of_polars(polars.read_ipc(whole("/v1/events.arrow")))),
        "pyarrow, /v1/events.parquet": lambda: compared(totals_of_arrow([pyarrow.parquet.read_table(whole("/v1/events.parquet"))])),
        "Polars, /v1/events.parquet": lambda: compared(totals_of_polars(polars.read_parquet(whole("/v1/events.parquet")))),
        "DuckDB, /v1/events.parquet by pyarrow": lambda: compared(totals_of_duckdb("parquet", parquet=pyarrow.parquet.read_table(whole("/v1/events.parquet")))),
        "pyarrow, /v1/events.parquet by ranges": lambda: by_ranges(service),
        "pyarrow, /v1/live": lambda: live(service),
        "the README's example": lambda: readme(service, expected),
        "urllib, what is refused": lambda: refused(service),
    }
    failed = 0
    for name, check in checks.items():
        try:
            wrong = check()
        except Exception as error:  # pylint: disable=broad-except
            wrong = repr(error)
        failed += 1 if wrong else 0
        print(f"{'FAILED' if wrong else 'passed'}  {name}{f': {wrong}' if wrong else ''}")
    print(f"{len(checks) - failed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
