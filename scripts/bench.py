#!/usr/bin/env python3
"""Measures a release build and prints the figures beside OpenStack's own on a machine of the same size.

Usage: bench.py [PART…]  with parts fake, identity, volumes, disk, guest (default: all). Needs `swift build -c release`, and
root for `disk` and `guest`.
Every figure is a median over its tries, those of `disk` a mean; limits are the promises of SPECIFICATION.md.
"""
import concurrent.futures
import contextlib
import http.client
import json
import os
import pathlib
import re
import shutil
import socket
import sqlite3
import statistics
import subprocess
import sys
import threading
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent
os.environ.setdefault("MARTLET", str(ROOT / ".build/release/martlet"))
sys.path.insert(0, str(ROOT / "Tests/EndToEnd"))
from cloud import Cloud, run, wait  # noqa: E402  (needs the path above)

ROWS = []


def report(what, value, unit, limit=None, openstack="-"):
    """Adds a figure; `limit`: what it may be at most."""
    verdict = "" if limit is None else ("ok" if value <= limit else "OVER")
    ROWS.append((what, f"{value:.1f} {unit}", "-" if limit is None else f"≤ {limit} {unit}", verdict, openstack))
    print(f"{what}: {value:.1f} {unit} {verdict}", flush=True)


class Client:
    """One keep-alive connection a service, without a client library's own cost."""

    def __init__(self, cloud):
        self.cloud, self.connections, self.token = cloud, {}, cloud.token()

    def call(self, method, service, path, body=None):
        """(milliseconds, status, body)"""
        if service not in self.connections:
            host = self.cloud.url(service).split("/")[2]
            self.connections[service] = http.client.HTTPConnection(host)
            self.connections[service].connect()
            self.connections[service].sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        prefix = "/" + "/".join(self.cloud.url(service).split("/")[3:])
        data = None if body is None else json.dumps(body)
        started = time.perf_counter()
        connection = self.connections[service]
        connection.request(method, prefix.rstrip("/") + path, data, {
            "X-Auth-Token": self.token, "Content-Type": "application/json", "OpenStack-API-Version": "compute 2.90"})
        reply = connection.getresponse()
        text = reply.read()
        took = (time.perf_counter() - started) * 1000
        if reply.status >= 400:
            raise AssertionError(f"{method} {path}: {reply.status} {text[:500]}")
        return took, reply.status, json.loads(text) if text else None

    def median(self, count, method, service, path, body=None):
        return statistics.median(self.call(method, service, path, body)[0] for _ in range(count))


def prepare(client, cloud, image):
    network = client.call("POST", "network", "/networks", {"network": {"name": "bench"}})[2]["network"]["id"]
    client.call("POST", "network", "/subnets", {"subnet": {
        "network_id": network, "ip_version": 4, "cidr": "10.64.0.0/16"}})
    project = client.call("GET", "identity", "/auth/projects")[2]["projects"][0]["id"]
    for project in [p["id"] for p in client.call("GET", "identity", "/projects")[2]["projects"]]:
        client.call("PUT", "network", f"/quotas/{project}", {"quota": {"port": -1, "network": -1}})
        client.call("PUT", "compute", f"/os-quota-sets/{project}", {"quota_set": {
            "instances": -1, "cores": -1, "ram": -1}})
    flavor = client.call("POST", "compute", "/flavors", {"flavor": {
        "name": "dot", "ram": 1, "vcpus": 1, "disk": 0}})[2]["flavor"]["id"]
    return {"name": "b", "imageRef": image, "flavorRef": flavor, "networks": [{"uuid": network}]}, network


def boot(client, body):
    """Milliseconds from the POST to ACTIVE, asking every 2 ms."""
    started = time.perf_counter()
    server = client.call("POST", "compute", "/servers", {"server": body})[2]["server"]["id"]
    while True:
        found = client.call("GET", "compute", f"/servers/{server}")[2]["server"]
        if found["status"] == "ACTIVE":
            return (time.perf_counter() - started) * 1000, server
        if found["status"] == "ERROR":
            raise AssertionError(found["fault"])
        time.sleep(0.002)


def fake():
    # The fake's host would run out of cores: the scheduler is measured, not the host's size.
    cloud = Cloud(fake=True, settings=["placement.cpu_allocation_ratio=10000", "placement.ram_allocation_ratio=10000"])
    cloud.up()
    try:
        starts = []
        for _ in range(5):
            cloud.martlet("stop")
            cloud.up()
            starts.append(json.loads(cloud.martlet("status", "--json").stdout)["startup_seconds"] * 1000)
        report("exec to every API answering (fake)", statistics.median(starts), "ms", 1000, "27,000 ms")
        time.sleep(3)
        memory = json.loads(cloud.martlet("status", "--json").stdout)["memory_mb"]
        report("resident memory, idle", memory, "MB", 150, "2,922 MB")
        client = Client(cloud)
        image = cloud.api("POST", "image", "/images", {"name": "i", "disk_format": "raw", "container_format": "bare"})["id"]
        cloud.api("PUT", "image", f"/images/{image}/file", status=204, data=os.urandom(4096),
                  headers={"Content-Type": "application/octet-stream"})
        body, network = prepare(client, cloud, image)
        report("GET /v3/auth/tokens (validate)", client_validate(cloud), "ms", None, "8.6 ms")
        report("POST /v3/auth/tokens (password)", login(cloud), "ms", None, "331 ms")
        report("GET /v2.1/flavors/detail", client.median(200, "GET", "compute", "/flavors/detail"), "ms", None, "16.6 ms")
        report("POST /v2.0/networks", client.median(60, "POST", "network", "/networks", {"network": {"name": "x"}}), "ms", 5,
               "83 ms")
        report("POST /v2.0/ports", client.median(60, "POST", "network", "/ports", {"port": {"network_id": network}}), "ms", 5,
               "167 ms")
        report("POST /servers to ACTIVE (fake)", statistics.median(boot(client, body)[0] for _ in range(30)), "ms", 50,
               "1,435 to 3,791 ms")
        many = {**body, "min_count": 97, "max_count": 97, "networks": [{"uuid": network}]}
        started = time.perf_counter()
        for _ in range(10):
            client.call("POST", "compute", "/servers", {"server": many})
        wait("1,000 servers are ACTIVE", lambda: sum(
            1 for s in client.call("GET", "compute", "/servers/detail?limit=1000")[2]["servers"]
            if s["status"] == "ACTIVE") == 1000, 600)
        report("970 servers by 10 POSTs, each a second", 970 / (time.perf_counter() - started), "servers/s", None,
               "0.67 servers/s")
        report("GET /servers/detail (1,000 servers)", client.median(20, "GET", "compute", "/servers/detail?limit=1000"), "ms",
               40, "4,377 ms")
        report("GET /servers (1,000 servers)", client.median(20, "GET", "compute", "/servers?limit=1000"), "ms", None,
               "1,027 ms")
        report("GET /v2.0/ports (1,000 ports)", client.median(
            20, "GET", "network", f"/ports?network_id={network}&limit=1000"), "ms", None, "778 ms")
        dashboard(cloud)
        memory = json.loads(cloud.martlet("status", "--json").stdout)["memory_mb"]
        report("resident memory, 1,000 servers", memory, "MB", None, "3,680 MB (205 servers)")
    finally:
        cloud.destroy()


def volumes():
    cloud = Cloud(fake=True)
    cloud.up()
    try:
        client, folder = Client(cloud), pathlib.Path(cloud.folder)
        raw, disk = folder / "disk.raw", folder / "disk.qcow2"
        with open(raw, "wb") as file:
            for _ in range(64):
                file.write(os.urandom(4 << 20))
            file.truncate(10 << 30)
        run("qemu-img", "convert", "-O", "qcow2", raw, disk)
        image = cloud.api(
            "POST", "image", "/images", {"name": "i", "disk_format": "qcow2", "container_format": "bare"})["id"]
        with open(disk, "rb") as file:
            cloud.api("PUT", "image", f"/images/{image}/file", status=204, data=file,
                      headers={"Content-Type": "application/octet-stream"})

        def ready(kind, body):
            started = time.perf_counter()
            made = client.call("POST", "block-storage", f"/{kind}s", {kind: body})[2][kind]["id"]
            while True:
                status = client.call("GET", "block-storage", f"/{kind}s/{made}")[2][kind]["status"]
                if status == "available":
                    return made, (time.perf_counter() - started) * 1000
                if status == "error":
                    raise AssertionError(f"{kind} {made} is in error")
                time.sleep(0.005)

        def median(kind, body, tries=5):
            return statistics.median(ready(kind, body)[1] for _ in range(tries))

        cloud.api("PUT", "block-storage", "/os-quota-sets/" + cloud.api("GET", "identity", "/auth/projects")["projects"][0]["id"],
                  {"quota_set": {"volumes": -1, "gigabytes": -1, "snapshots": -1}})
        report("blank volume of 10 GB, to available", median("volume", {"size": 10}), "ms")
        volume, first = ready("volume", {"size": 10, "imageRef": image})
        report("volume of a 10 GB image, to available", first, "ms", 1000)
        report("clone of a 10 GB image volume, to available", median("volume", {"source_volid": volume}), "ms", 1000)
        report("snapshot of it, to available", median("snapshot", {"volume_id": volume}), "ms")
        snapshot, _ = ready("snapshot", {"volume_id": volume})
        report("volume of its snapshot, to available", median("volume", {"snapshot_id": snapshot}), "ms", 1000)
        client.call("GET", "block-storage", "/volumes/detail")
        report("GET /v3/volumes/detail", client.median(60, "GET", "block-storage", "/volumes/detail"), "ms")
    finally:
        cloud.destroy()


def disk():
    """fio on the block node that a guest's QEMU has for its volume, and on the same content as one opens it by hand. Both are
    served by qemu-storage-daemon, which is QEMU's block layer without a guest, at the same time: what else the machine does
    then slows both."""
    cloud = Cloud()
    cloud.up()
    try:
        node, path, form = volume_node(cloud, Client(cloud))
        folder = pathlib.Path(cloud.folder)
        copy = folder / "copy"
        with exported(folder / "ours", node) as uri:
            fio(uri, "write", "1m")
        shutil.copyfile(path, copy)
        patterns = [("random writes of 4 KiB", "randwrite", "4k", "iops"), ("random reads of 4 KiB", "randread", "4k", "iops"),
                    ("writes of 1 MiB", "write", "1m", "MB/s"), ("reads of 1 MiB", "read", "1m", "MB/s")]
        rates = {what: ([], []) for what, *_ in patterns}
        for turn in range(6):
            # Each has each of the files in turns.
            files = [path, str(copy)][::1 if turn % 2 else -1]
            ours = {**node, "file": {**node["file"], "filename": files[0]}}
            hand = {"driver": form, "node-name": "hand", "file": {"driver": "file", "filename": files[1]}}
            with exported(folder / "ours", ours) as one, exported(folder / "hand", hand) as two, \
                    concurrent.futures.ThreadPoolExecutor() as pool:
                for what, kind, size, _ in patterns:
                    for found, rate in zip(rates[what], pool.map(lambda uri: fio(uri, kind, size, 1), (one, two))):
                        found.append(rate)
        for what, _, _, unit in patterns:
            ours, hand = (sum(found) / len(found) for found in rates[what])
            report(f"a volume's disk beside another, {what}", ours * (1 if unit == "iops" else 1.048576), unit)
            report(f"what it loses to a hand-started QEMU, {what}", (1 - ours / hand) * 100, "%", 5)
    finally:
        cloud.destroy()


def volume_node(cloud, client):
    """The block node (as QEMU takes it), the file and the format of a volume, from the command line of a guest's QEMU."""
    image = cloud.api("POST", "image", "/images", {"name": "i", "disk_format": "raw", "container_format": "bare"})["id"]
    cloud.api("PUT", "image", f"/images/{image}/file", status=204, data=os.urandom(4096),
              headers={"Content-Type": "application/octet-stream"})
    flavor = client.call("POST", "compute", "/flavors", {"flavor": {"name": "bench", "ram": 64, "vcpus": 1, "disk": 1}})
    server = boot(client, {"name": "b", "imageRef": image, "flavorRef": flavor[2]["flavor"]["id"], "networks": "none"})[1]
    volume = client.call("POST", "block-storage", "/volumes", {"volume": {"size": 1}})[2]["volume"]["id"]

    def volume_is(status):
        found = client.call("GET", "block-storage", f"/volumes/{volume}")[2]["volume"]["status"]
        return found == status or (found.startswith("error") and sys.exit(f"the volume is {found}"))

    wait("the volume is available", lambda: volume_is("available"))
    client.call("POST", "compute", f"/servers/{server}/os-volume_attachments", {"volumeAttachment": {"volumeId": volume}})
    wait("the volume is in use", lambda: volume_is("in-use"))
    # A QEMU that starts with the volume has it on its command line.
    client.call("POST", "compute", f"/servers/{server}/action", {"reboot": {"type": "HARD"}})
    cloud.wait_server(server)
    pid = int(pathlib.Path(cloud.state, "guests/guests", server, "qemu.pid").read_text())
    words = pathlib.Path(f"/proc/{pid}/cmdline").read_bytes().decode().split("\0")
    nodes = [json.loads(after) for word, after in zip(words, words[1:]) if word == "-blockdev" and volume in after]
    client.call("DELETE", "compute", f"/servers/{server}")
    wait("the volume is free", lambda: volume_is("available"))
    return nodes[0], nodes[0]["file"]["filename"], nodes[0]["driver"]


@contextlib.contextmanager
def exported(path, node):
    """Serves a block node over NBD at the unix socket `path` while the block runs."""
    path.unlink(missing_ok=True)
    process = subprocess.Popen([
        "qemu-storage-daemon", "--blockdev", json.dumps(node), "--nbd-server", f"addr.type=unix,addr.path={path}",
        "--export", f"type=nbd,id=disk,node-name={node['node-name']},name=disk,writable=on"], stdin=subprocess.DEVNULL)
    try:
        wait("the block node is served", lambda: path.exists() or process.poll() is not None, 20, 0.01)
        yield f"nbd+unix:///disk?socket={path}"
    finally:
        process.terminate()
        process.wait()


def fio(uri, kind, size, seconds=None):
    """Operations a second, 16 at once; without a time it goes once through the first 512 MiB."""
    words = ["fio", "--name=disk", "--ioengine=nbd", f"--uri={uri}", f"--rw={kind}", f"--bs={size}", "--iodepth=16",
             "--size=512m", "--output-format=json"]
    if seconds:
        words += ["--time_based", f"--runtime={seconds}"]
    said = run(*words).stdout
    # Its engine says something first.
    job = json.loads(said[said.index("{"):])["jobs"][0]
    return job["read" if "read" in kind else "write"]["iops"]


def dashboard(cloud):
    """Pages of the dashboard over the 1,000 servers, as a signed-in browser gets them."""
    import re

    import requests
    session = requests.Session()
    base = f"http://127.0.0.1:{8443 + cloud.offset}"
    form = {"csrf": re.search('name="csrf" value="([^"]+)', session.get(base + "/sign-in").text)[1], "user": "admin",
            "password": pathlib.Path(cloud.state, "admin-password").read_text().strip()}
    if "/project/overview" not in session.post(base + "/sign-in", data=form).url:
        raise AssertionError("the dashboard let nobody in")

    def page(path, rows):
        times = []
        for _ in range(20):
            started = time.perf_counter()
            reply = session.get(base + path, cookies={"martlet_rows": str(rows)})
            times.append((time.perf_counter() - started) * 1000)
            if reply.status_code != 200:
                raise AssertionError(f"{path}: {reply.status_code}")
        return statistics.median(times)

    report("dashboard: instances, 50 of 1,000 on a page", page("/project/instances", 50), "ms", 50)
    report("dashboard: instances, 200 of 1,000 on a page", page("/project/instances", 200), "ms")
    report("dashboard: ports' networks and names of 1,000 servers in the topology", page("/project/topology", 50), "ms")
    report("dashboard: search over 1,000 servers", page("/search?q=b-9", 50), "ms")


def client_validate(cloud):
    import requests
    session, token = requests.Session(), cloud.token()
    times = []
    for _ in range(200):
        started = time.perf_counter()
        session.get(cloud.url("identity") + "/auth/tokens", headers={"X-Auth-Token": token, "X-Subject-Token": token})
        times.append((time.perf_counter() - started) * 1000)
    return statistics.median(times)


def login(cloud):
    times = []
    for _ in range(10):
        cloud.tokens.clear()
        started = time.perf_counter()
        cloud.token()
        times.append((time.perf_counter() - started) * 1000)
    return statistics.median(times)


def rate(url, token, seconds=3, workers=4):
    """Requests a second of keep-alive connections, and the median and 95th percentile of their milliseconds."""
    host, path = url.split("/", 3)[2], "/" + url.split("/", 3)[3]
    request = (f"GET {path} HTTP/1.1\r\nHost: {host}\r\nX-Auth-Token: {token}\r\n"
               f"X-Subject-Token: {token}\r\n\r\n").encode()
    times, lock = [], threading.Lock()

    def work():
        own, rest = [], b""
        name, port = host.split(":")
        with socket.create_connection((name, int(port))) as connection:
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            end = time.perf_counter() + seconds
            while time.perf_counter() < end:
                started = time.perf_counter()
                connection.sendall(request)
                while b"\r\n\r\n" not in rest:
                    rest += connection.recv(65536)
                head, rest = rest.split(b"\r\n\r\n", 1)
                length = int(re.search(rb"content-length: (\d+)", head, re.I).group(1))
                while len(rest) < length:
                    rest += connection.recv(65536)
                rest = rest[length:]
                own.append((time.perf_counter() - started) * 1000)
                if not head.startswith(b"HTTP/1.1 200"):
                    raise AssertionError(head[:200])
        with lock:
            times.extend(own)

    threads = [threading.Thread(target=work) for _ in range(workers)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    times.sort()
    return len(times) / seconds, times[len(times) // 2], times[len(times) * 95 // 100]


def populate(path, users=10_000, projects=1000, each=10):
    """Users, projects and ten roles of each user, straight into the books of a cloud that is stopped."""
    books = sqlite3.connect(path)
    now = int(time.time() * 1_000_000)
    roles = [row[0] for row in books.execute("SELECT id FROM identity_role WHERE name IN ('reader', 'member')")]
    books.executemany(
        "INSERT INTO identity_project (id, name, domain_id, parent_id, is_domain, enabled, description, options, created_at)"
        " VALUES (?, ?, 'default', 'default', 0, 1, '', '{}', ?)",
        [(f"{index:032x}", f"project-{index}", now) for index in range(1, projects + 1)])
    books.executemany(
        "INSERT INTO identity_user (id, name, domain_id, enabled, options, created_at) VALUES (?, ?, 'default', 1, '{}', ?)",
        [(f"{index:032x}", f"user-{index}", now) for index in range(1, users + 1)])
    books.executemany(
        "INSERT INTO identity_assignment (actor_kind, actor_id, place_kind, place_id, role_id, inherited)"
        " VALUES ('user', ?, 'project', ?, ?, 0)",
        [(f"{user:032x}", f"{(user * 7 + index * 97) % projects + 1:032x}", roles[index % len(roles)])
         for user in range(1, users + 1) for index in range(each)])
    books.commit()
    count = books.execute("SELECT COUNT(*) FROM identity_assignment").fetchone()[0]
    books.close()
    return count


def identity():
    """Tokens and lists, with few users and with 10,000 of them that have 100,000 roles."""
    cloud = Cloud(fake=True)
    cloud.up()
    try:
        for size in ("", ", 100,000 roles"):
            if size:
                cloud.martlet("stop")
                populate(cloud.state + "/martlet.db")
                cloud.up()
                cloud.tokens.clear()
            token = cloud.token()
            answer = run("curl", "-sf", "--unix-socket", cloud.state + "/control.sock", "-d",
                         json.dumps({"token": token}), "http://control/measure/token").stdout
            report("verifying a token in the process" + size, json.loads(answer)["microseconds"], "µs", 20)
            for what, url in (("GET /v3/auth/tokens", cloud.url("identity") + "/auth/tokens?nocatalog"),
                              ("GET /v3/regions", cloud.url("identity") + "/regions")):
                count, median, high = rate(url, token)
                report(f"{what}, 4 connections{size}", count, "requests/s")
                report(f"{what}, p50{size}", median, "ms")
                report(f"{what}, p95{size}", high, "ms")
            report("POST /v3/auth/tokens (password)" + size, login(cloud), "ms", None, "331 ms")
        client, user, project = Client(cloud), f"{77:032x}", f"{77:032x}"
        for what, path in (
                ("users, a page of 100", "/users?limit=100"), ("users, one of its last pages", f"/users?limit=100&marker={9800:032x}"),
                ("users, by a part of the name", "/users?name__contains=user-99&limit=100"),
                ("projects, all 1,000", "/projects"), ("roles of a user", f"/role_assignments?user.id={user}"),
                ("effective roles of a user", f"/role_assignments?user.id={user}&effective"),
                ("roles in a project, with names", f"/role_assignments?scope.project.id={project}&include_names"),
                ("effective roles in a project", f"/role_assignments?scope.project.id={project}&effective"),
                ("projects of a user", f"/users/{user}/projects")):
            report(what, client.median(20, "GET", "identity", path), "ms", 50)
        memory = json.loads(cloud.martlet("status", "--json").stdout)["memory_mb"]
        report("resident memory, 10,000 users and 100,000 roles", memory, "MB")
    finally:
        cloud.destroy()


def guest():
    cloud = Cloud()
    cloud.up()
    try:
        starts = []
        for _ in range(5):
            cloud.martlet("stop")
            cloud.up()
            starts.append(json.loads(cloud.martlet("status", "--json").stdout)["startup_seconds"] * 1000)
        report("exec to every API answering (QEMU, kernel networks)", statistics.median(starts), "ms", 1000, "27,000 ms")
        image = cloud.upload_guest_image()
        client = Client(cloud)
        body, _ = prepare(client, cloud, image)
        body["flavorRef"] = next(f["id"] for f in client.call("GET", "compute", "/flavors")[2]["flavors"]
                                 if f["name"] == "m1.nano")
        times, by_hand = [], []
        for _ in range(7):
            took, server = boot(client, body)
            times.append(took)
            if not by_hand:
                by_hand = [start_by_hand(cloud, server) for _ in range(7)]
            client.call("DELETE", "compute", f"/servers/{server}")
        report("POST /servers to ACTIVE (QEMU)", statistics.median(times), "ms")
        report("the same QEMU by hand, to its QMP answering", statistics.median(by_hand), "ms")
        report("what Martlet adds", statistics.median(times) - statistics.median(by_hand), "ms", 300)
    finally:
        cloud.destroy()


def start_by_hand(cloud, server):
    """Milliseconds that QEMU needs with the guest's own arguments, without disks and network, until its monitor answers."""
    folder = pathlib.Path(cloud.state, "guests", "guests", server)
    pid = int((folder / "qemu.pid").read_text().split()[0]) if (folder / "qemu.pid").exists() else None
    command = pathlib.Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")[:-1] if pid else []
    if not command:
        raise AssertionError(f"the guest's process is not found in {folder}: {[p.name for p in folder.iterdir()]}")
    hand = pathlib.Path(cloud.folder, "by-hand")
    hand.mkdir(exist_ok=True)
    words = [word.decode().replace(str(folder), str(hand)) for word in command]
    for path in folder.iterdir():
        if path.is_file() and path.stat().st_size < 64 << 20 and path.suffix != ".pid":
            (hand / path.name).write_bytes(path.read_bytes())
    keep, skip = [], 0
    for index, word in enumerate(words):
        if skip:
            skip -= 1
        elif word == "-netdev" or (word == "-device" and "netdev" in words[index + 1]):
            skip = 1
        else:
            keep.append(word)
    started = time.perf_counter()
    process = subprocess.Popen(keep, cwd=hand, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                               stdin=subprocess.DEVNULL)
    try:
        while not greets(hand / "qmp.sock"):
            if process.poll() is not None or time.perf_counter() - started > 20:
                raise AssertionError(f"QEMU by hand did not answer: {keep}")
            time.sleep(0.002)
        return (time.perf_counter() - started) * 1000
    finally:
        process.kill()
        process.wait()
        (hand / "qmp.sock").unlink(missing_ok=True)


def greets(path):
    """Whether QEMU's monitor answers at a unix socket."""
    with socket.socket(socket.AF_UNIX) as monitor:
        try:
            monitor.connect(str(path))
            return b"QMP" in monitor.recv(4096)
        except OSError:
            return False


PARTS = {"fake": fake, "identity": identity, "volumes": volumes, "disk": disk, "guest": guest}


def main():
    for part in sys.argv[1:] or list(PARTS):
        PARTS[part]()
    width = [max(len(row[column]) for row in ROWS + [("what", "Martlet", "promise", "", "OpenStack 2026.2")])
             for column in range(5)]
    print()
    for row in [("what", "Martlet", "promise", "", "OpenStack 2026.2")] + ROWS:
        print("  ".join(cell.ljust(size) for cell, size in zip(row, width)))
    sys.exit(1 if any(row[3] == "OVER" for row in ROWS) else 0)


if __name__ == "__main__":
    main()
