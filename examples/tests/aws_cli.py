"""The AWS CLI as a coprocess: reads a command line a line, answers what the CLI did as JSON.

One process for all, because the CLI takes a second to start. The documented output of a command comes from the examples of
the AWS CLI reference, which the CLI's package carries."""

import contextlib
import io
import json
import pathlib
import re
import shlex
import sys
import time

import awscli
from awscli.clidriver import create_clidriver
from botocore import waiter


class Hurried:
    """The server's clock runs a thousand times as fast as ours, and so do the waiters."""

    @staticmethod
    def sleep(seconds):
        time.sleep(seconds / 1000)


waiter.time = Hurried
# Read once: the model of EC2 alone takes half a second.
models = create_clidriver().session.get_component("data_loader")
examples = pathlib.Path(awscli.__file__).parent / "examples"


def documented(command):
    """The outputs in the reference's examples, those that are JSON."""
    page = examples.joinpath(*command[:2]).with_suffix(".rst")
    text = page.read_text(encoding="utf-8") + "\n" if page.exists() else ""
    outputs = []
    for block in re.findall(r"^Output::\n\s*\n((?:[ \t]+.*\n|\s*\n)+)", text, flags=re.MULTILINE):
        with contextlib.suppress(ValueError):
            outputs.append(json.loads(block))
    return outputs


def carry_out(command):
    out, err = io.TextIOWrapper(io.BytesIO(), "utf-8", write_through=True), io.TextIOWrapper(io.BytesIO(), "utf-8", write_through=True)
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        try:
            # A driver keeps the handlers of the command that it ran.
            driver = create_clidriver()
            driver.session.register_component("data_loader", models)
            code = driver.main(command)
        except SystemExit as exit:
            code = exit.code
    return {
        "code": code,
        "out": out.buffer.getvalue().decode(),
        "err": err.buffer.getvalue().decode().strip(),
        "documented": documented(command),
    }


answers = sys.stdout
for line in sys.stdin:
    print(json.dumps(carry_out(shlex.split(line))), file=answers, flush=True)
