#!/usr/bin/env bash
# Follows the task that the argument names to its end.
set -euo pipefail

if [ -z "${1:-}" ]; then
    echo "usage: $0 TASK_ID"
    exit 2
fi

for _ in $(seq 150); do
    answer=$(curl -sS "$TASKGATE_URL/api/v1/tasks/$1" -H "X-API-Key: $TASKGATE_API_KEY")
    # Unquoted on purpose: the answer must survive the shell's word splitting.
    # shellcheck disable=SC2086
    status=$(echo $answer | jq -r '.status')
    echo "status: $status"
    case $status in
    TASK_STATUS_COMPLETED)
        # shellcheck disable=SC2086
        echo "result: $(echo $answer | jq -r '.result')"
        exit 0
        ;;
    TASK_STATUS_FAILED)
        # shellcheck disable=SC2086
        echo "error: $(echo $answer | jq -r '.error')"
        exit 1
        ;;
    TASK_STATUS_TIMEOUT | TASK_STATUS_CANCELLED)
        exit 1
        ;;
    esac
    sleep 0.2
done
echo "no end in time"
exit 3
