"""A cloud of its own for end-to-end tests: real processes, and clients that we did not write."""
import contextlib
import json
import os
import pathlib
import random
import shutil
import signal
import subprocess
import tempfile
import time
import unittest

import requests

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
MARTLET = os.environ.get("MARTLET", str(ROOT / ".build/debug/martlet"))
OPENSTACK = str(ROOT / ".venv/bin/openstack")
IMAGE = ROOT / ".build" / "guest-image"


def run(*command, check=True, timeout=120, **options):
    """Runs a command; returns its CompletedProcess with text output. On failure the output is in the exception."""
    result = subprocess.run([str(word) for word in command], text=True, capture_output=True, timeout=timeout,
                            stdin=subprocess.DEVNULL, **options)
    if check and result.returncode:
        raise AssertionError(f"{' '.join(map(str, command))}: exit {result.returncode}\n{result.stdout}\n{result.stderr}")
    return result


def guest_image():
    """The guest image, built once and kept: a dict with disk, kernel, initrd, arguments and user."""
    out = run(MARTLET, "image", "build", "--output", IMAGE, "--json", timeout=600).stdout
    return json.loads(out.splitlines()[-1])


def wait(what, condition, seconds=120, interval=0.5):
    """Waits until `condition()` is true; fails with `what` and its last value."""
    deadline = time.monotonic() + seconds
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > deadline:
            raise AssertionError(f"{what}: not after {seconds} s; last: {value!r}")
        time.sleep(interval)


class Story(unittest.TestCase):
    """Tests that run in the order of their names and build on each other: after a failure the rest fails at once."""
    broken = None

    def setUp(self):
        if type(self).broken:
            self.fail(f"an earlier part of the story failed: {type(self).broken}")

    def run(self, result=None):
        before = len(result.failures) + len(result.errors)
        super().run(result)
        if len(result.failures) + len(result.errors) > before and not type(self).broken:
            type(self).broken = self._testMethodName
        return result


class Cloud:
    """A cloud in a temporary folder, at ports of its own. `fake`: without guests and networks."""

    def __init__(self, fake=False, settings=()):
        self.folder = tempfile.mkdtemp(prefix="martlet-e2e-")
        self.state = self.folder + "/state"
        self.offset = random.randrange(11_000, 22_000, 100)  # below the ephemeral ports
        self.fake = fake
        self.settings = list(settings)
        self.name = f"martlet{self.offset}"
        self.tokens = {}

    # Its life

    def up(self):
        flags = ["--fake"] if self.fake else ["--external", "isolated"]
        for entry in self.settings:
            flags += ["--set", entry]
        return self.martlet("up", "--port-offset", self.offset, *flags).stdout

    def martlet(self, *words, **options):
        words = list(words)
        place = words.index("--") if "--" in words else len(words)
        return run(MARTLET, *words[:place], "--state", self.state, *words[place:], **options)

    def pid(self):
        return int(pathlib.Path(self.state, "martlet.pid").read_text().split()[0])

    def kill(self):
        """kill -9 of the server, and waits until it is gone."""
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):
            pid = self.pid()
            os.kill(pid, signal.SIGKILL)
            wait("the server is gone", lambda: not pathlib.Path(f"/proc/{pid}/exe").exists(), 10, 0.02)

    def destroy(self):
        result = self.martlet("down", "--purge", check=False)
        shutil.rmtree(self.folder, ignore_errors=True)
        if result.returncode:
            raise AssertionError(result.stderr)

    def leftovers(self):
        """What of this cloud is in the kernel and the process table."""
        found = [line.split()[0] for line in run("ip", "netns", "list").stdout.splitlines() if self.name in line]
        for entry in pathlib.Path("/proc").glob("[0-9]*/cmdline"):
            with contextlib.suppress(OSError):
                if self.folder.encode() in entry.read_bytes():
                    found.append(entry.read_bytes().replace(b"\0", b" ").decode()[:200])
        return found

    # Its clients

    def environment(self, **extra):
        values = {key: value for key, value in os.environ.items() if not key.startswith("OS_")}
        for line in self.martlet("openrc").stdout.splitlines():
            if line.startswith("export "):
                key, value = line[7:].split("=", 1)
                values[key] = value.strip("'")
        values.update(extra)
        return values

    def openstack(self, *words, user=None, check=True, timeout=180):
        """The stock client, as the administrator or with other OS_* variables; JSON output is parsed."""
        words = [str(word) for word in words]
        wants_json = any(word in ("list", "show", "create", "issue") for word in words[:4]) \
            and words[:3] != ["console", "log", "show"]
        result = self.martlet("exec", "--", OPENSTACK, *words, *(["-f", "json"] if wants_json else []),
                              env=self.environment(**(user or {})), check=check, timeout=timeout)
        if not check:
            return result
        text = result.stdout.strip()
        return json.loads(text) if wants_json and text else text

    def url(self, service):
        port, suffix = {"identity": (5000, "/v3"), "image": (9292, "/v2"), "compute": (8774, "/v2.1"),
                        "placement": (8778, ""), "network": (9696, "/v2.0"), "block-storage": (8776, "/v3")}[service]
        return f"http://127.0.0.1:{port + self.offset}{suffix}"

    def token(self, name="admin", password=None, project="admin"):
        key = (name, project)
        if key not in self.tokens:
            password = password or pathlib.Path(self.state, "admin-password").read_text().strip()
            body = {"auth": {"identity": {"methods": ["password"], "password": {"user": {
                "name": name, "domain": {"id": "default"}, "password": password}}}}}
            if project:
                body["auth"]["scope"] = {"project": {"name": project, "domain": {"id": "default"}}}
            reply = requests.post(self.url("identity") + "/auth/tokens", json=body, timeout=30)
            if reply.status_code != 201:
                raise AssertionError(reply.text)
            self.tokens[key] = reply.headers["X-Subject-Token"]
        return self.tokens[key]

    def api(self, method, service, path, body=None, token=None, status=None, headers=None, **options):
        """One request; returns the parsed answer. `status`: what it must be (default: below 400)."""
        token = self.token() if token is None else token
        all_headers = {"X-Auth-Token": token, "OpenStack-API-Version": "compute 2.90", **(headers or {})}
        url = path if path.startswith("http") else self.url(service) + path
        reply = requests.request(method, url, json=body, headers=all_headers, timeout=60, **options)
        if (status and reply.status_code != status) or (not status and reply.status_code >= 400):
            raise AssertionError(f"{method} {url}: {reply.status_code} {reply.text[:2000]}")
        return reply.json() if reply.content and "json" in reply.headers.get("Content-Type", "") else reply

    def upload_guest_image(self):
        """The guest image with direct kernel boot, which is the fast way; returns the id of the disk's image."""
        image = guest_image()
        parts = {}
        for kind, path in (("aki", image["kernel"]), ("ari", image["initrd"])):
            parts[kind] = self.openstack("image", "create", f"guest-{kind}", "--public", "--disk-format", kind,
                                         "--container-format", kind, "--file", path)["id"]
        disk = self.openstack(
            "image", "create", "guest", "--public", "--disk-format", "qcow2", "--container-format", "bare", "--file",
            image["disk"], "--property", f"kernel_id={parts['aki']}", "--property", f"ramdisk_id={parts['ari']}",
            "--property", f"os_command_line={image['arguments']}")
        return disk["id"]

    # Guests

    def open_port(self):
        """A port without filters on a network of its own behind a router; returns its id and its floating IP."""
        def make(kind, **values):
            return self.api("POST", "network", f"/{kind}s", {kind: values})[kind]
        public = self.api("GET", "network", "/networks?name=public")["networks"][0]["id"]
        lab = make("network", name="lab")["id"]
        subnet = make("subnet", network_id=lab, cidr="10.0.0.0/24", ip_version=4)["id"]
        router = make("router", name="edge", external_gateway_info={"network_id": public})["id"]
        self.api("PUT", "network", f"/routers/{router}/add_router_interface", {"subnet_id": subnet})
        port = make("port", network_id=lab, port_security_enabled=False)["id"]
        return port, make("floatingip", floating_network_id=public, port_id=port)["floating_ip_address"]

    def make_key(self):
        """A key pair `key`; returns the path of its private key."""
        key = str(pathlib.Path(self.folder, "key.pem"))
        run("ssh-keygen", "-q", "-t", "ecdsa", "-N", "", "-f", key)
        self.openstack("keypair", "create", "key", "--public-key", f"{key}.pub")
        return key

    def ssh(self, address, key, *words, user="cirros", check=True, timeout=30):
        return self.martlet(
            "exec", "--", "ssh", "-i", key, "-o", "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=/dev/null",
            "-o", "BatchMode=yes", "-o", "ConnectTimeout=5", "-o", "LogLevel=ERROR", f"{user}@{address}", *words,
            check=check, timeout=timeout)

    def wait_ssh(self, address, key, seconds=180):
        def answers():
            try:
                return self.ssh(address, key, "echo", "ready", check=False).stdout.strip() == "ready"
            except subprocess.TimeoutExpired:
                return False
        return wait(f"SSH at {address}", answers, seconds, 1)

    def wait_server(self, server, states=("ACTIVE",), seconds=120):
        def settled():
            found = self.api("GET", "compute", f"/servers/{server}")["server"]
            if found["status"] == "ERROR" and "ERROR" not in states:
                raise AssertionError(f"server {server}: {found.get('fault')}")
            return found if found["status"] in states else None
        return wait(f"server {server} in {states}", settled, seconds, 0.3)
