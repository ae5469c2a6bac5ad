"""Reads Arrow C streams in the process that they are of, in threads of its own: run by `embedded.mjs`, which has Python in its process."""

import json
import threading
from collections import Counter

import pyarrow

threads, found = {}, {}


def read(name: str, address: int) -> None:
    totals = {"rows": 0, "seq": 0, "types": Counter(), "numbers": 0, "allocated": 0, "error": None}
    pids = set()
    try:
        with pyarrow.RecordBatchReader._import_from_c(address) as reader:
            while True:
                before = pyarrow.total_allocated_bytes()
                try:
                    batch = reader.read_next_batch()
                except StopIteration:
                    break
                totals["allocated"] += pyarrow.total_allocated_bytes() - before
                batch.validate(full=True)
                totals["rows"] += batch.num_rows
                totals["seq"] += sum(batch["seq"].to_pylist())
                totals["types"].update(batch["event_type"].to_pylist())
                pids.update(batch["pid"].to_pylist())
                totals["numbers"] += sum(json.loads(data)["number"] for data in batch["data"].to_pylist())
    except Exception as error:  # pylint: disable=broad-except
        totals["error"] = f"{type(error).__name__}: {error}"
    found[name] = {**totals, "pids": len(pids)}


def start(name: str, address: int) -> None:
    threads[name] = threading.Thread(target=read, args=(name, address), daemon=True)
    threads[name].start()


def wait(path: str) -> None:
    """Until all have come to their end; writes what they have found."""
    for thread in threads.values():
        thread.join()
    with open(path, "w", encoding="utf-8") as file:
        json.dump(found, file)


def read_here(name: str, address: int) -> None:
    """Reads in the caller's thread, twice."""
    found[name] = []
    with pyarrow.RecordBatchReader._import_from_c(address) as reader:
        for _ in range(2):
            try:
                found[name].append(reader.read_next_batch().num_rows)
            except OSError as error:
                found[name].append(str(error))
