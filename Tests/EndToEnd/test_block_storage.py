"""Every `openstack volume` command, by the stock client on a cloud without guests."""
import json
import pathlib
import subprocess
import time
import unittest

from cloud import ROOT, Cloud

PYTHON = str(ROOT / ".venv/bin/python")


class Shell:
    """The client in one process (`shell.py`), so that a command costs what its requests cost."""

    def __init__(self, cloud, **extra):
        self.done = set()
        self.process = subprocess.Popen(
            [PYTHON, str(pathlib.Path(__file__).with_name("shell.py"))], text=True, stdin=subprocess.PIPE,
            stdout=subprocess.PIPE, env=cloud.environment(**extra))

    def close(self):
        self.process.stdin.close()
        self.process.wait(30)
        self.process.stdout.close()

    def run(self, command, *words, check=True):
        """Runs `command` (its name in one text) with arguments; JSON output is parsed."""
        self.done.add(command)
        wants_json = command.split()[-1] in ("list", "show", "create", "summary", "export", "import", "failover") \
            or command in ("volume backup restore", "volume migrate", "volume transfer request accept")
        words = [*command.split(), *map(str, words)]
        if command in ("volume migrate", "volume host failover", "volume group failover"):
            wants_json = False
        self.process.stdin.write(json.dumps(words + (["-f", "json"] if wants_json else [])) + "\n")
        self.process.stdin.flush()
        line = self.process.stdout.readline()
        if not line:
            raise AssertionError(f"the client ended at: openstack {' '.join(words)}")
        result = json.loads(line)
        if not check:
            return result
        if result["code"]:
            raise AssertionError(f"openstack {' '.join(words)}: exit {result['code']}\n{result['out']}\n{result['err']}")
        return json.loads(result["out"]) if wants_json and result["out"].strip() else result["out"]

    def refused(self, text, command, *words):
        """The command fails, and says `text`."""
        result = self.run(command, *words, check=False)
        if not result["code"] or text.lower() not in (result["out"] + result["err"]).lower():
            raise AssertionError(f"openstack {command} {words} was not refused with '{text}': {result}")

    def wait(self, command, name, status="available"):
        deadline = time.monotonic() + 60
        while True:
            result = self.run(command, name, check=False)
            shown = json.loads(result["out"]) if result["out"].strip().startswith("{") else {}
            if status == "gone" and result["code"] or shown.get("status") == status:
                return shown
            if time.monotonic() > deadline:
                raise AssertionError(f"{command} {name} is not {status} after 60 s: {result}")
            time.sleep(0.1)


class VolumeCommands(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.cloud = Cloud(fake=True, settings=["volumes.in_catalog=true", "volumes.backends=files,plain:raw"])
        try:
            cls.cloud.up()
            cls.shell = Shell(cls.cloud, OS_VOLUME_API_VERSION="3.71")
        except BaseException:
            cls.cloud.destroy()
            raise

    @classmethod
    def tearDownClass(cls):
        cls.shell.close()
        cls.cloud.destroy()

    def names(self, command, *words):
        return [entry.get("Name") or entry.get("name") for entry in self.shell.run(command, *words)]

    def test_every_command(self):
        for part in (self.volumes, self.types, self.qos, self.snapshots, self.backups, self.transfers, self.attachments,
                     self.groups, self.consistency_groups, self.moves, self.administration, self.messages):
            with self.subTest(part.__name__):
                part()
        listed = self.shell.run("command list", "--group", "openstack.volume.v3")
        commands = set()
        for group in listed:
            found = group["Commands"]
            commands.update(found if isinstance(found, list) else found.splitlines())
        missing = {command for command in commands if command.split()[0] in ("volume", "consistency", "block")}
        self.assertEqual(missing - self.shell.done, set())

    def volumes(self):
        run = self.shell.run
        made = run("volume create", "v1", "--size", 1, "--description", "first", "--property", "a=b")
        self.assertEqual((made["name"], made["size"], made["status"]), ("v1", 1, "creating"))
        self.shell.wait("volume show", "v1")
        run("volume set", "v1", "--name", "one", "--property", "c=d", "--bootable", "--size", 2)
        self.shell.wait("volume show", "one")
        run("volume set", "one", "--image-property", "os=linux", "--read-only")
        run("volume unset", "one", "--property", "a", "--image-property", "os")
        shown = run("volume show", "one")
        self.assertEqual((shown["size"], shown["bootable"]), (2, True))
        self.assertEqual(shown["properties"].get("c"), "d")
        self.assertNotIn("a", shown["properties"])
        run("volume set", "one", "--read-write", "--non-bootable")
        run("volume create", "clone", "--source", "one")
        self.shell.wait("volume show", "clone")
        self.assertEqual(sorted(self.names("volume list")), ["clone", "one"])
        self.assertEqual(self.names("volume list", "--name", "one", "--long"), ["one"])
        self.assertEqual(run("volume summary")["Total Count"], 2)
        run("volume delete", "clone")
        self.shell.wait("volume show", "clone", "gone")
        self.shell.refused("no volume found", "volume delete", "none")

    def types(self):
        run = self.shell.run
        run("volume type create", "fast", "--property", "volume_backend_name=files", "--description", "quick")
        run("volume type set", "fast", "--property", "k=v", "--name", "faster")
        run("volume type unset", "faster", "--property", "k")
        self.assertEqual(run("volume type show", "faster")["properties"], {"volume_backend_name": "files"})
        run("volume type create", "secret", "--private", "--encryption-provider", "luks", "--encryption-cipher",
            "aes-xts-plain64", "--encryption-key-size", 256, "--encryption-control-location", "front-end")
        run("volume type set", "secret", "--project", "service")
        run("volume type unset", "secret", "--project", "service", "--encryption-type")
        self.assertIn("faster", self.names("volume type list", "--long"))
        self.assertEqual(self.names("volume type list", "--default"), ["__DEFAULT__"])
        run("volume type delete", "secret")
        self.shell.refused("no type found", "volume type show", "secret")

    def qos(self):
        run = self.shell.run
        run("volume qos create", "q", "--consumer", "front-end", "--property", "read_iops_sec=100")
        run("volume qos set", "q", "--property", "write_iops_sec=50")
        run("volume qos unset", "q", "--property", "read_iops_sec")
        run("volume qos associate", "q", "faster")
        shown = run("volume qos show", "q")
        self.assertEqual((shown["properties"], shown["associations"]), ({"write_iops_sec": "50"}, ["faster"]))
        self.assertEqual(self.names("volume qos list"), ["q"])
        run("volume qos disassociate", "q", "--volume-type", "faster")
        run("volume qos delete", "q")

    def snapshots(self):
        run = self.shell.run
        run("volume snapshot create", "s1", "--volume", "one", "--property", "a=b")
        self.shell.wait("volume snapshot show", "s1")
        run("volume snapshot set", "s1", "--name", "shot", "--property", "c=d")
        run("volume snapshot unset", "shot", "--property", "a")
        self.assertEqual(run("volume snapshot show", "shot")["properties"], {"c": "d"})
        self.assertEqual(self.names("volume snapshot list", "--volume", "one"), ["shot"])
        run("volume create", "copy", "--snapshot", "shot")
        self.shell.wait("volume show", "copy")
        run("volume revert", "shot")
        self.shell.wait("volume show", "one")
        self.shell.refused("dependent snapshots", "volume delete", "one")
        run("volume snapshot delete", "shot")
        self.shell.wait("volume snapshot show", "shot", "gone")

    def backups(self):
        run = self.shell.run
        run("volume backup create", "one", "--name", "b1", "--property", "a=b")
        self.shell.wait("volume backup show", "b1")
        run("volume backup create", "one", "--name", "b2", "--incremental")
        self.shell.wait("volume backup show", "b2")
        run("volume backup set", "b2", "--name", "second", "--property", "c=d")
        run("volume backup unset", "second", "--property", "c")
        self.assertEqual(sorted(self.names("volume backup list")), ["b1", "second"])
        record = run("volume backup record export", "second")
        # This client posts records to another path than clouds have; the request is made by hand below.
        run("volume backup record import", record["backup_service"], record["backup_url"], check=False)
        self.cloud.api("POST", "block-storage", "/backups/import_record", {"backup-record": record}, status=400)
        run("volume backup restore", "second", "restored")
        self.shell.wait("volume show", "restored")
        self.shell.wait("volume backup show", "second")
        self.shell.refused("incremental", "volume backup delete", "b1")
        for name in ("second", "b1"):
            run("volume backup delete", name)
            self.shell.wait("volume backup show", name, "gone")
        # A record of a backup that is gone from the books, but whose data an operator kept.
        self.cloud.api("POST", "block-storage", "/backups/import_record", {"backup-record": record}, status=201)
        run("volume backup delete", "second")
        self.shell.wait("volume backup show", "second", "gone")

    def transfers(self):
        run = self.shell.run
        made = run("volume transfer request create", "restored", "--name", "gift")
        self.assertEqual(self.names("volume transfer request list"), ["gift"])
        run("volume transfer request show", "gift")
        run("volume transfer request accept", made["id"], "--auth-key", made["auth_key"])
        second = run("volume transfer request create", "copy", "--name", "second", "--no-snapshots")
        run("volume transfer request delete", second["id"])
        self.assertEqual(self.shell.wait("volume show", "copy")["status"], "available")

    def attachments(self):
        run = self.shell.run
        server = "11111111-2222-4333-8444-555555555555"
        volume = run("volume show", "restored")["id"]
        made = self.cloud.api(
            "POST", "block-storage", "/attachments",
            {"attachment": {"volume_uuid": volume, "instance_uuid": server}},
            headers={"OpenStack-API-Version": "volume 3.71"})["attachment"]["id"]
        run("volume attachment set", made, "--host", "here", "--ip", "127.0.0.1", "--initiator", "i")
        run("volume attachment complete", made)
        self.assertEqual(run("volume attachment show", made)["Status"], "attached")
        self.assertEqual(len(run("volume attachment list")), 1)
        self.shell.refused("attached", "volume delete", "restored")
        run("volume attachment delete", made)
        self.shell.wait("volume show", "restored")
        # The client looks the server up first.
        self.shell.refused("no server", "volume attachment create", "restored", "none")

    def groups(self):
        run = self.shell.run
        run("volume group type create", "together")
        run("volume group type set", "together", "--property", "k=v")
        # The client looks for the old name once more after it has changed it.
        run("volume group type set", "together", "--name", "bound", check=False)
        self.assertEqual(run("volume group type show", "bound")["Properties"], {"k": "v"})
        self.assertIn("bound", self.names("volume group type list"))
        run("volume group create", "--name", "g", "--volume-group-type", "bound", "--volume-type", "__DEFAULT__")
        run("volume group set", "g", "--description", "all of them")
        run("volume group add volume", "g", "one")
        self.assertEqual(run("volume group show", "g")["Description"], "all of them")
        self.assertEqual(self.names("volume group list"), ["g"])
        run("volume group snapshot create", "g", "--name", "gs")
        self.wait_for("volume group snapshot show", "gs", "Status", "available")
        self.assertEqual(self.names("volume group snapshot list"), ["gs"])
        run("volume group create", "--name", "g2", "--group-snapshot", "gs")
        self.wait_for("volume group show", "g2", "Status", "available")
        run("volume group snapshot delete", "gs")
        self.shell.wait("volume group snapshot show", "gs", "gone")
        run("volume group remove volume", "g", "one")
        # This client names the action by a mistake of its own.
        run("volume group failover", "g", check=False)
        run("volume group delete", "g2", "--force")
        run("volume group delete", "g")
        for name in ("g", "g2"):
            self.shell.wait("volume group show", name, "gone")
        run("volume group type delete", "bound")

    def wait_for(self, command, name, key, value):
        deadline = time.monotonic() + 60
        while (shown := self.shell.run(command, name)).get(key) != value:
            self.assertLess(time.monotonic(), deadline, shown)
            time.sleep(0.1)

    def consistency_groups(self):
        run = self.shell.run
        run("consistency group create", "cg", "--volume-type", "__DEFAULT__", "--description", "d")
        run("consistency group set", "cg", "--description", "other")
        run("consistency group add volume", "cg", "one")
        self.assertEqual(run("consistency group show", "cg")["description"], "other")
        self.assertEqual(self.names("consistency group list"), ["cg"])
        run("consistency group snapshot create", "cgs", "--consistency-group", "cg")
        self.wait_for("consistency group snapshot show", "cgs", "status", "available")
        # Whatever the cloud answers, this client's list is empty: it filters by members that the answer does not have.
        run("consistency group snapshot list")
        run("consistency group create", "cg2", "--consistency-group-snapshot", "cgs")
        self.wait_for("consistency group show", "cg2", "status", "available")
        run("consistency group snapshot delete", "cgs")
        self.shell.wait("consistency group snapshot show", "cgs", "gone")
        run("consistency group remove volume", "cg", "one")
        run("consistency group delete", "cg")
        run("consistency group delete", "cg2", "--force")
        for name in ("cg", "cg2"):
            self.shell.wait("consistency group show", name, "gone")

    def moves(self):
        run = self.shell.run
        hosts = [entry["Name"] for entry in run("volume backend pool list")]
        self.assertEqual(len(hosts), 2)
        here = run("volume show", "copy")["os-vol-host-attr:host"]
        other = next(host for host in hosts if host != here)
        run("volume migrate", "copy", "--host", other)
        self.wait_for("volume show", "copy", "os-vol-host-attr:host", other)
        self.shell.wait("volume show", "copy")
        run("volume set", "copy", "--type", "faster", "--retype-policy", "on-demand")
        self.wait_for("volume show", "copy", "type", "faster")
        self.shell.wait("volume show", "copy")
        self.assertEqual(run("volume backend capability show", here.split("#")[0]) != [], True)
        listed = run("block storage volume manageable list", here, "--detailed", "true")
        self.assertTrue(any(entry.get("reason_not_safe") == "already managed" for entry in listed), listed)
        run("block storage snapshot manageable list", here)

    def administration(self):
        run = self.shell.run
        services = run("volume service list")
        self.assertTrue(all(entry["State"] == "up" for entry in services), services)
        host = next(entry["Host"] for entry in services if entry["Binary"] == "cinder-volume")
        run("volume service set", host, "cinder-volume", "--disable", "--disable-reason", "maintenance")
        shown = next(entry for entry in run("volume service list", "--long") if entry["Host"] == host)
        self.assertEqual((shown["Status"], shown["Disabled Reason"]), ("disabled", "maintenance"))
        run("volume service set", host, "cinder-volume", "--enable")
        run("volume host set", host, "--disable")
        run("volume host set", host, "--enable")
        self.shell.refused("replicat", "volume host failover", host, "--volume-backend", "second")
        run("block storage log level list")
        run("block storage log level set", "WARNING", "--service", "cinder-volume")
        self.assertTrue(run("block storage resource filter list"))
        self.assertTrue(run("block storage resource filter show", "volume"))
        run("block storage cluster list")
        self.shell.refused("could not be found", "block storage cluster show", "none")
        self.shell.refused("could not be found", "block storage cluster set", "none", "--enable")
        # This client uses another method than clouds have.
        run("block storage cleanup", "--host", host, "--binary", "cinder-volume", "--cluster", "none", check=False)
        self.cloud.api("POST", "block-storage", "/workers/cleanup", {"host": host},
                       headers={"OpenStack-API-Version": "volume 3.24"})

    def messages(self):
        run = self.shell.run
        run("volume type create", "nowhere", "--property", "volume_backend_name=none")
        run("volume create", "lost", "--size", 1, "--type", "nowhere")
        self.shell.wait("volume show", "lost", "error")
        found = run("volume message list")
        self.assertTrue(any("No storage could be allocated" in json.dumps(entry) for entry in found), found)
        run("volume message show", found[0]["ID"])
        run("volume message delete", found[0]["ID"])
        for name in ("lost", "one", "copy", "restored"):
            run("volume delete", name)
            self.shell.wait("volume show", name, "gone")
        for name in ("nowhere", "faster"):
            run("volume type delete", name)
        self.assertEqual(run("volume list", "--all-projects"), [])
        for backend in ("files", "plain"):
            left = [path.name for path in pathlib.Path(self.cloud.state).rglob("volume-*")]
            self.assertEqual(left, [], backend)


if __name__ == "__main__":
    unittest.main()
