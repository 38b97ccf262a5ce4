#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# run.sh BINARY [NAME...]   Tests the command line of a built netsonde, as root: all tests, or those of
# the modules so named and those whose names contain one of the words. Ends with "N passed, N failed, N skipped".
exec python3 -B "$(dirname "$0")/main.py" "$@"
