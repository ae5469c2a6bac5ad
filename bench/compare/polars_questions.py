"""Answers the questions with Polars: `polars_questions.py <file of events>`, then a line of JSON on standard input for each question.

What is timed is the question alone, without this process's input and output. Of several ways to ask, these were the fastest.
"""

import json
import sys
import time

import polars as pl

SCHEMA = {
    **dict.fromkeys(["event_type", "node", "module", "function", "file"], pl.Categorical),
    "arity": pl.UInt16,
    "line": pl.UInt32,
    "x": pl.Int16,
}
MFA = ["module", "function", "arity"]
col = pl.col


def page(events, variant):
    matching = events.filter(
        (col("pid") == variant["pid"])
        & (col("event_type") == "function_exit")
        & (col("timestamp") >= variant["start"])
        & (col("timestamp") < variant["end"])
    ).collect()
    return matching.height, matching.sort("timestamp", "seq").head(variant["limit"])


def text(events, variant):
    in_any_case = f"(?i){variant['word']}"
    matching = events.filter((col("event_type") == "log") & col("message").str.contains(in_any_case)).collect()
    return matching.height, matching.sort("timestamp", "seq").head(variant["limit"])


def trace(events, variant):
    return events.filter(col("correlation_id") == variant["correlationId"]).sort("timestamp", "seq").collect()


def stack(events, variant):
    of_process = events.filter((col("pid") == variant["pid"]) & (col("timestamp") <= variant["at"])).collect()
    entries = of_process.lazy().filter(col("event_type") == "function_entry")
    exits = of_process.lazy().filter(col("event_type") == "function_exit").select("parent_id")
    still_open = entries.join(exits, left_on="event_id", right_on="parent_id", how="anti")
    return still_open.sort("timestamp", "seq", descending=True).collect()


def group(events, variant):
    functions = [pl.len().alias("n"), col("duration_ns").mean().alias("mean"), col("duration_ns").count().alias("durations")]
    return events.group_by("event_type", *MFA).agg(*functions).collect()


def p95(events, variant):
    quantile = col("duration_ns").quantile(variant["quantile"], "equiprobable")
    return events.filter(col("event_type") == "function_exit").group_by(MFA).agg(quantile.alias("p95")).collect()


def count_above(events, value, variant):
    return events.filter(value > variant["above"]).select(pl.len()).collect()


QUESTIONS = {
    "count": lambda events, variant: events.group_by(MFA).agg(pl.len().alias("n")).collect(),
    "page": page,
    "page-request": page,
    "trace": trace,
    "stack": stack,
    "top": lambda events, variant: events.sort("duration_ns", "seq", descending=True, nulls_last=True).head(variant["limit"]).collect(),
    "x-json": lambda events, variant: count_above(events, col("data").str.json_path_match("$.variables.x").cast(pl.Int64), variant),
    "x-typed": lambda events, variant: count_above(events, col("x"), variant),
    "group": group,
    "p95": p95,
    "text": text,
}


def answer(result):
    """What is compared: a total, if there is one, and the rows without what is not looked at."""
    total, rows = result if isinstance(result, tuple) else (None, result)
    if "seq" in rows.columns:
        return {"total": total, "events": rows["seq"].to_list()}
    return {"total": total, "rows": rows.to_dicts()}


def main():
    start = time.perf_counter()
    events = pl.read_csv(sys.argv[1], schema_overrides=SCHEMA).lazy()
    print(json.dumps({"seconds": time.perf_counter() - start}), flush=True)
    for line in sys.stdin:
        request = json.loads(line)
        ask = QUESTIONS[request["name"]]
        start = time.perf_counter()
        result = ask(events, request["variant"])
        ms = (time.perf_counter() - start) * 1e3
        print(json.dumps({"ms": ms, **(answer(result) if request["wantsAnswer"] else {})}), flush=True)


main()
