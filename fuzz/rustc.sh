#!/bin/sh
# RUSTC_WORKSPACE_WRAPPER of `npm run fuzz`: compiles the crates of this workspace, whose edges guide libFuzzer, with its
# instrumentation. What they depend on is compiled as ever, and shared with the tests.
[ -n "$CARGO_PKG_NAME" ] || exec "$@"
# The sanitizer's option is closed on stable compilers otherwise.
[ -z "$KINESCOPE_FUZZ_SANITIZER" ] || export RUSTC_BOOTSTRAP=1
# As cargo-fuzz sets them: counters of edges, and what comparisons compare.
exec "$@" -Cpasses=sancov-module \
  -Cllvm-args=-sanitizer-coverage-level=4 -Cllvm-args=-sanitizer-coverage-inline-8bit-counters \
  -Cllvm-args=-sanitizer-coverage-pc-table -Cllvm-args=-sanitizer-coverage-trace-compares \
  $KINESCOPE_FUZZ_SANITIZER
