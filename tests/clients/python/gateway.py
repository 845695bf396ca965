"""Where the gateway is and how to be let in; shared by the clients."""

import os

URL = os.environ.get("TASKGATE_URL", "http://localhost:8080") + "/api/v1/tasks"
KEY = os.environ.get("TASKGATE_API_KEY", "sk_test_123456")
HEADERS = {"X-API-Key": KEY}
