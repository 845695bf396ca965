#!/usr/bin/env bash
# Sends every list request of the documentation; one line of JSON for each.
set -euo pipefail

list() {
    curl -sS -X GET "$TASKGATE_URL/api/v1/tasks$1" -H "X-API-Key: $TASKGATE_API_KEY" | jq -c .
}

list ''
list '?status=RUNNING'
list '?status=COMPLETED'
list '?status=FAILED'
list '?session_id=user-123-chat'
list '?limit=20&offset=0'
list '?limit=20&offset=20'
list '?limit=20&offset=40'
list '?session_id=user-123&status=COMPLETED&limit=10&offset=0'
