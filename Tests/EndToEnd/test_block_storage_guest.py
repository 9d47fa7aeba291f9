"""A guest writes to a volume without a pause while it is copied, moved, and while Martlet and QEMU are killed: what was
acknowledged is there."""
import pathlib
import random
import re
import subprocess
import threading
import time
import unittest

from cloud import Cloud, Story, run, wait

COUNTER = 100_000_000  # where the guest writes its counter, in bytes


class Writer:
    """Counts up on the guest's disk, each number with fsync before the next; `acknowledged` is the last one that was."""

    def __init__(self, story, disk, start):
        script = (f"i={start}; while :; do i=$((i+1)); printf %010d $i | sudo dd of=/dev/{disk} bs=10 "
                  f"seek={COUNTER // 10} conv=notrunc,fsync 2>/dev/null && echo $i || exit 1; done")
        self.acknowledged, self.ended = start, False
        self.process = subprocess.Popen(
            [str(word) for word in story.cloud_command("ssh", "-i", story.key, "-o", "StrictHostKeyChecking=no", "-o",
                                                       "UserKnownHostsFile=/dev/null", "-o", "LogLevel=ERROR",
                                                       "-o", "ServerAliveInterval=5",
                                                       f"cirros@{story.address}", script)],
            stdout=subprocess.PIPE, stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL, text=True)
        self.thread = threading.Thread(target=self.read, daemon=True)
        self.thread.start()

    def read(self):
        for line in self.process.stdout:
            self.acknowledged = int(line)
        self.ended = True

    def goes_on(self):
        before = self.acknowledged
        wait("the guest writes on", lambda: self.acknowledged > before + 3, 60, 0.1)

    def stop(self):
        self.process.terminate()
        self.process.wait(30)
        self.thread.join(30)
        self.process.stdout.close()


class VolumesInUse(Story):
    @classmethod
    def setUpClass(cls):
        cls.cloud = Cloud(settings=["volumes.backends=files,plain:raw"])
        try:
            cls.cloud.up()
        except BaseException:
            cls.cloud.destroy()
            raise

    @classmethod
    def tearDownClass(cls):
        cls.cloud.destroy()
        assert cls.cloud.leftovers() == [], cls.cloud.leftovers()

    def cloud_command(self, *words):
        from cloud import MARTLET
        return [MARTLET, "exec", "--state", self.cloud.state, "--", *words]

    def block(self, method, path, body=None):
        return self.cloud.api(method, "block-storage", path, body, headers={"OpenStack-API-Version": "volume 3.71"})

    def settled(self, kind, name, status, seconds=120):
        def shown():
            found = self.block("GET", f"/{kind}s/{name}")[kind]
            if found["status"].startswith("error") and not status.startswith("error"):
                raise AssertionError(f"{found}; messages: {self.block('GET', '/messages')}")
            return found if found["status"] == status else None
        return wait(f"{kind} {name} is {status}", shown, seconds, 0.2)

    def file(self, volume):
        host = self.block("GET", f"/volumes/{volume}")["volume"]["os-vol-host-attr:host"]
        folder = pathlib.Path(self.cloud.state, "volumes", host.split("#")[1])
        return next(path for path in folder.iterdir() if volume in path.name and not path.name.startswith("layer"))

    def counter(self, volume):
        """The number on a volume's disk, and whether the rest of it is what the guest wrote first."""
        path, raw = self.file(volume), pathlib.Path(self.cloud.folder, "raw")
        run("qemu-img", "convert", "-U", "-O", "raw", path, raw)
        with open(raw, "rb") as file:
            head = file.read(8 << 20)
            file.seek(COUNTER)
            text = file.read(10)
        raw.unlink()
        self.assertEqual(head, b"pattern\n" * (1 << 20), f"volume {volume}")
        return int(text)

    def qemu(self):
        pattern = re.compile(rb"qemu-system.*" + re.escape(self.cloud.folder.encode()))
        for entry in pathlib.Path("/proc").glob("[0-9]*/cmdline"):
            try:
                if pattern.search(entry.read_bytes().replace(b"\0", b" ")):
                    return int(entry.parent.name)
            except OSError:
                continue
        raise AssertionError("no QEMU of this cloud")

    def test_01_a_guest_with_a_volume(self):
        port, type(self).address = self.cloud.open_port()
        type(self).key = self.cloud.make_key()
        image = self.cloud.upload_guest_image()
        flavor = next(entry["id"] for entry in self.cloud.api("GET", "compute", "/flavors")["flavors"]
                      if entry["name"] == "m1.nano")
        type(self).server = self.cloud.api("POST", "compute", "/servers", {"server": {
            "name": "writer", "imageRef": image, "flavorRef": flavor, "networks": [{"port": port}],
            "key_name": "key"}})["server"]["id"]
        type(self).volume = self.block("POST", "/volumes", {"volume": {"size": 1, "name": "data"}})["volume"]["id"]
        self.cloud.wait_server(self.server)
        self.settled("volume", self.volume, "available")
        self.cloud.api("POST", "compute", f"/servers/{self.server}/os-volume_attachments",
                       {"volumeAttachment": {"volumeId": self.volume}})
        self.settled("volume", self.volume, "in-use")
        self.cloud.wait_ssh(self.address, self.key)
        self.begin()
        self.cloud.ssh(self.address, self.key, f"yes pattern | head -c {8 << 20} | sudo dd of=/dev/{self.disk} bs=1M "
                       "iflag=fullblock conv=notrunc,fsync 2>/dev/null")
        type(self).writer = Writer(self, self.disk, 0)
        self.writer.goes_on()

    def begin(self):
        """Finds the disk in the guest."""
        def found():
            out = self.cloud.ssh(self.address, self.key, "grep", "-l", self.volume[:20], "/sys/block/*/serial",
                                 check=False).stdout
            return out.split("/")[3:4]
        type(self).disk = wait("the guest sees the disk", found, 60)[0]

    def test_02_snapshots_clones_and_backups_are_one_moment_of_it(self):
        before = self.writer.acknowledged
        snapshot = self.block("POST", "/snapshots", {"snapshot": {
            "volume_id": self.volume, "force": True}})["snapshot"]["id"]
        self.settled("snapshot", snapshot, "available")
        backup = self.block("POST", "/backups", {"backup": {"volume_id": self.volume, "force": True}})["backup"]["id"]
        self.settled("backup", backup, "available")
        self.settled("volume", self.volume, "in-use")
        self.writer.goes_on()
        for source in ({"snapshot_id": snapshot}, {"backup_id": backup}, {"source_volid": self.volume}):
            copy = self.block("POST", "/volumes", {"volume": source})["volume"]["id"]
            self.settled("volume", copy, "available")
            self.assertGreaterEqual(self.counter(copy), before, source)
            self.assertLessEqual(self.counter(copy), self.writer.acknowledged + 1, source)
            self.block("DELETE", f"/volumes/{copy}")
        self.block("DELETE", f"/snapshots/{snapshot}")
        wait("the snapshot is gone", lambda: not self.block("GET", "/snapshots")["snapshots"], 60)

    def migrate(self, backend):
        host = self.block("GET", f"/volumes/{self.volume}")["volume"]["os-vol-host-attr:host"]
        target = f"{host.split('@')[0]}@{backend}#{backend}"
        self.block("POST", f"/volumes/{self.volume}/action", {"os-migrate_volume": {"host": target}})
        return target

    def test_03_it_moves_to_another_backend_while_the_guest_writes(self):
        target = self.migrate("plain")
        wait("the volume has moved", lambda: self.block("GET", f"/volumes/{self.volume}")["volume"][
            "os-vol-host-attr:host"] == target, 120)
        self.settled("volume", self.volume, "in-use")
        self.writer.goes_on()
        self.assertFalse(self.writer.ended)
        before = self.writer.acknowledged
        self.assertGreaterEqual(self.counter(self.volume), before)
        folder = pathlib.Path(self.cloud.state, "volumes", "files")
        self.assertEqual([path.name for path in folder.iterdir() if self.volume in path.name], [])

    def test_04_martlet_is_killed_while_it_moves(self):
        target = self.migrate("files")
        time.sleep(random.uniform(0, 0.5))
        self.cloud.kill()
        self.writer.goes_on()
        self.cloud.up()
        volume = wait("the move has ended", lambda: (found := self.block("GET", f"/volumes/{self.volume}")["volume"])[
            "migration_status"] in ("success", "error") and found["os-vol-host-attr:host"] == target and found, 120)
        self.assertEqual((volume["status"], volume["migration_status"]), ("in-use", "success"))
        self.writer.goes_on()
        before = self.writer.acknowledged
        self.assertGreaterEqual(self.counter(self.volume), before)

    def test_05_qemu_is_killed_while_the_guest_writes(self):
        pid = self.qemu()
        self.writer.goes_on()
        run("kill", "-9", pid)
        self.writer.stop()
        acknowledged = self.writer.acknowledged
        self.cloud.wait_server(self.server, ("SHUTOFF",))
        self.assertGreaterEqual(self.counter(self.volume), acknowledged)
        self.cloud.api("POST", "compute", f"/servers/{self.server}/action", {"os-start": None}, status=202)
        self.cloud.wait_server(self.server)
        self.cloud.wait_ssh(self.address, self.key)
        self.begin()
        type(self).writer = Writer(self, self.disk, acknowledged)
        self.writer.goes_on()
        self.writer.stop()

    def test_06_the_deleted_server_leaves_the_volume_with_all_of_it(self):
        self.cloud.api("DELETE", "compute", f"/servers/{self.server}", status=204)
        self.settled("volume", self.volume, "available")
        self.assertGreaterEqual(self.counter(self.volume), self.writer.acknowledged)
        for backup in self.block("GET", "/backups")["backups"]:
            self.block("DELETE", f"/backups/{backup['id']}")
        self.block("DELETE", f"/volumes/{self.volume}")
        wait("no volume is left", lambda: not self.block("GET", "/volumes")["volumes"], 60)
        left = [path.name for path in pathlib.Path(self.cloud.state, "volumes").rglob("*") if path.is_file()]
        self.assertEqual(left, [])


if __name__ == "__main__":
    unittest.main(verbosity=2)
