"""Runs the SDK's command for each line of arguments that it is given.

All in this process: to start the command takes longer than what it does.
Prints the arguments, the exit code and what the command printed.
"""

import contextlib
import io
import os
import shlex
import sys

from shannon import cli

os.environ["SHANNON_BASE_URL"] = os.environ["TASKGATE_URL"]
os.environ["SHANNON_API_KEY"] = os.environ["TASKGATE_API_KEY"]
for line in sys.argv[1:]:
    sys.argv = ["shannon", *shlex.split(line)]
    printed, code = io.StringIO(), 0
    with contextlib.redirect_stdout(printed):
        try:
            cli.main()
        except SystemExit as end:
            code = end.code
    print(f"{line}: {code} {printed.getvalue()}".rstrip())
