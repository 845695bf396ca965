#!/usr/bin/env bash
# The three requests of the research API: a list, task $1, and a cancel of $2.
# One line of JSON for each; no key, as the documentation shows it.
set -euo pipefail

curl -sS -X GET "$TASKGATE_RESEARCH_URL/api/v1/tasks?project_id=1&status=running&limit=20" | jq -c .
curl -sS -X GET "$TASKGATE_RESEARCH_URL/api/v1/tasks/$1" | jq -c .
curl -sS -X POST "$TASKGATE_RESEARCH_URL/api/v1/tasks/$2/cancel" | jq -c .
