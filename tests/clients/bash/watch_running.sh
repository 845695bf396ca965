#!/usr/bin/env bash
# Shows the running tasks as often as the first argument says.
set -euo pipefail

for ((round = 1; round <= $1; round++)); do
    ((round == 1)) || sleep 0.2
    answer=$(curl -sS "$TASKGATE_URL/api/v1/tasks?status=RUNNING" -H "X-API-Key: $TASKGATE_API_KEY")
    # Unquoted on purpose: the answer must survive the shell's word splitting.
    # shellcheck disable=SC2086
    echo "running: $(echo $answer | jq -r '.total_count')"
    # shellcheck disable=SC2086
    echo $answer | jq -r '.tasks[] | "\(.task_id): \(.query)"'
done
