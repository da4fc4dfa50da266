"""`aws eks get-token` with the clock stopped: reads cases as JSON, one a line, and answers what the AWS CLI prints, one a line."""

import contextlib
import datetime
import io
import json
import os
import sys

# The CLI's package brings botocore along.
from awscli.clidriver import create_clidriver
from awscli.customizations.eks import get_token
from botocore import auth

stopped = None


def now(remove_tzinfo=True):
    return stopped.replace(tzinfo=None) if remove_tzinfo else stopped


auth.get_current_datetime = now
get_token.get_current_datetime = now
models = create_clidriver().session.get_component("data_loader")

for line in sys.stdin:
    case = json.loads(line)
    stopped = datetime.datetime.fromtimestamp(case["seconds"], tz=datetime.timezone.utc)
    os.environ.pop("AWS_SESSION_TOKEN", None)
    if case["session"]:
        os.environ["AWS_SESSION_TOKEN"] = case["session"]
    out = io.StringIO()
    with contextlib.redirect_stdout(out):
        driver = create_clidriver()
        driver.session.register_component("data_loader", models)
        arguments = ["--region", case["region"], "eks", "get-token", "--cluster-name", case["cluster"], "--output", "json"]
        code = driver.main(arguments)
    if code:
        sys.exit(code)
    print(json.dumps(json.loads(out.getvalue())), flush=True)
