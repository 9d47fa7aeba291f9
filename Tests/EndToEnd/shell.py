"""The stock `openstack` client as one process that logs in once: a list of words a line in, exit code and output out."""
import io
import json
import sys


class Errors(io.TextIOBase):
    """Where the client's log goes: it keeps the stream that it finds at its start."""

    def __init__(self):
        self.text = ""

    def write(self, text):
        self.text += text
        return len(text)


def main():
    answers, errors = sys.stdout, Errors()
    sys.stderr = errors
    from openstackclient import shell

    app = shell.OpenStackShell()
    app.options, _ = app.parser.parse_known_args([])
    app.configure_logging()
    app.initialize_app([])
    for line in sys.stdin:
        errors.text, sys.stdout = "", io.StringIO()
        app.stdout, app.stderr = sys.stdout, errors
        try:
            code = app.run_subcommand(json.loads(line))
        except SystemExit as end:
            code = end.code or 0
        print(json.dumps({"code": code, "out": sys.stdout.getvalue(), "err": errors.text}), file=answers, flush=True)


if __name__ == "__main__":
    main()
