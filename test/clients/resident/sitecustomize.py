"""Keeps one AWS CLI loaded and forks it for each command.

Loading it takes about a second of CPU, the command itself a fifth of that. Python imports a module of this
name before the script that it was called with, so `aws` with this folder in PYTHONPATH ends up here, whatever
installed it. Only resident_aws.ts sets that.

Reads a command a line from the standard input, {"id", "args", "env", "cwd", "out", "err"}; writes "ready",
then {"id", "exitCode"} a line. What a command prints goes to the files `out` and `err`.
"""

import json
import os
import sys
import traceback

from awscli import __version__
from awscli.clidriver import main


def aws(args):
    sys.argv = ["aws", *args]
    try:
        return main()
    except SystemExit as exit:
        return exit.code if isinstance(exit.code, int) else 1


def redirect(descriptor, path):
    file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    os.dup2(file, descriptor)
    os.close(file)


def run(command):
    # Importing the CLI has set where its data are.
    kept = {name: os.environ[name] for name in ("AWS_DATA_PATH",) if name in os.environ}
    os.environ.clear()
    os.environ.update(kept | command["env"])
    os.chdir(command["cwd"])
    redirect(0, os.devnull)
    redirect(1, command["out"])
    redirect(2, command["err"])
    code = 1
    try:
        code = aws(command["args"])
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


answers = os.dup(1)
redirect(2, os.devnull)
redirect(1, os.devnull)

if __version__.startswith("1."):
    # Fills the caches that each fork inherits; nobody listens there. Version 2 would start threads, which a
    # fork does not inherit.
    os.environ.update(
        AWS_ACCESS_KEY_ID="none",
        AWS_SECRET_ACCESS_KEY="none",
        AWS_DEFAULT_REGION="none",
        AWS_CONFIG_FILE=os.devnull,
        AWS_SHARED_CREDENTIALS_FILE=os.devnull,
        AWS_MAX_ATTEMPTS="1",
    )
    nowhere = ["--endpoint-url", "http://127.0.0.1:1"]
    aws([*nowhere, "s3api", "head-object", "--bucket", "none", "--key", "none"])

os.write(answers, b"ready\n")
for line in sys.stdin:
    command = json.loads(line)
    # One more process waits for the command, so that the next line is read meanwhile.
    if os.fork() == 0:
        child = os.fork()
        if child == 0:
            run(command)
        _, status = os.waitpid(child, 0)
        answer = {"id": command["id"], "exitCode": os.waitstatus_to_exitcode(status)}
        os.write(answers, (json.dumps(answer) + "\n").encode())
        os._exit(0)
    try:
        while os.waitpid(-1, os.WNOHANG)[0] != 0:
            pass
    except ChildProcessError:
        pass
os._exit(0)
