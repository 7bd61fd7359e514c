#!/bin/bash
# Runs the tests on the node that is up.
set -uo pipefail
began=$SECONDS code=0
export RUST_BACKTRACE=0    # what failed is in the message; where, in its first line
echo "testing ..."
"$NODE_TESTS" --ignored --test-threads="${TEST_THREADS:-4}" "$@" || code=$?
echo "the tests ended after $((SECONDS - began)) s"
exit $code
