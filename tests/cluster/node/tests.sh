#!/bin/bash
# Runs the tests on the node that is up: first those that can share it, then those that restart parts of it.
set -uo pipefail
began=$SECONDS code=0
export RUST_BACKTRACE=0    # what failed is in the message; where, in its first line
echo "testing ..."
"$NODE_TESTS" --ignored --test-threads="${TEST_THREADS:-4}" "$@" || code=$?
echo "tests on the node ended after $((SECONDS - began)) s"
"$DISRUPTION_TESTS" --ignored --test-threads=1 "$@" || code=$?
echo "all tests ended after $((SECONDS - began)) s"
exit $code
