#!/usr/bin/env bash
# Prints the task that the argument names, headers first.
set -euo pipefail

curl -sS -i -X GET "$TASKGATE_URL/api/v1/tasks/$1" -H "X-API-Key: $TASKGATE_API_KEY"
