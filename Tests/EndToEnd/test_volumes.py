"""Volumes in a real guest with the stock `openstack` client: attached while it runs, kept, grown, and booted from."""
import pathlib
import unittest

from cloud import Cloud, Story, run, wait


class Volumes(Story):
    """One cloud, one story: the tests run in the order of their names and build on each other."""

    @classmethod
    def setUpClass(cls):
        cls.cloud = Cloud()
        cls.cloud.up()

    @classmethod
    def tearDownClass(cls):
        cls.cloud.destroy()
        assert cls.cloud.leftovers() == [], cls.cloud.leftovers()

    def guest(self, *words, **options):
        return self.cloud.ssh(self.address, self.key, *words, **options).stdout.strip()

    def volume(self, status, seconds=60):
        """The volume `data` when it has this status; asked without the client, which takes seconds to start."""
        path = f"http://127.0.0.1:{8776 + self.cloud.offset}/v3/volumes/{self.data}"
        return wait(f"the volume is {status}", lambda: (
            found := self.cloud.api("GET", "", path)["volume"])["status"] == status and found, seconds)

    def boot(self, name, *words):
        """A server at the port with the floating IP, up to where it answers SSH; returns its id."""
        openstack = self.cloud.openstack
        server = openstack("server", "create", name, "--flavor", "m1.nano", "--nic", f"port-id={self.port}",
                           "--key-name", "key", *words)
        self.cloud.wait_server(server["id"])
        self.cloud.wait_ssh(self.address, self.key)
        return server["id"]

    def disk(self):
        """The guest's name for the disk whose serial number is the volume's id, or nothing."""
        return self.guest("grep", "-l", self.data[:20], "/sys/block/*/serial", check=False).split("/")[3:4]

    def test_01_what_a_guest_needs(self):
        type(self).port, type(self).address = self.cloud.open_port()
        type(self).key = self.cloud.make_key()
        self.cloud.upload_guest_image()
        type(self).data = self.cloud.openstack("volume", "create", "data", "--size", "1")["id"]

    def test_02_a_volume_is_attached_while_the_guest_runs_and_keeps_what_is_written(self):
        type(self).server = self.boot("web", "--image", "guest")
        self.volume("available")
        self.cloud.openstack("server", "add", "volume", "web", "data")
        self.volume("in-use")
        disk = wait("the guest sees the disk", self.disk, 30)[0]
        self.guest(f"sudo mkfs.ext4 -q /dev/{disk} && sudo mount /dev/{disk} /mnt && "
                   "echo kept | sudo tee /mnt/file && sync && sudo umount /mnt")
        self.cloud.openstack("server", "remove", "volume", "web", "data")
        self.volume("available", 120)
        self.assertEqual(self.disk(), [])

    def test_03_attached_again_it_has_its_data_and_grows(self):
        self.cloud.openstack("server", "add", "volume", "web", "data")
        self.volume("in-use")
        disk = wait("the guest sees the disk", self.disk, 30)[0]
        self.assertEqual(self.guest(f"sudo mount /dev/{disk} /mnt && cat /mnt/file"), "kept")
        self.cloud.openstack("--os-volume-api-version", "3.42", "volume", "set", "data", "--size", "2")
        wait("the guest sees the new size",
             lambda: self.guest("cat", f"/sys/block/{disk}/size") == str(2 << 21), 30)
        self.assertEqual(self.volume("in-use")["size"], 2)

    def test_04_a_deleted_server_gives_its_volume_back(self):
        self.cloud.openstack("server", "delete", "--wait", "web")
        self.volume("available")

    def test_05_a_server_boots_from_a_volume_and_has_all_its_volumes_at_its_next_start(self):
        server = self.boot("root", "--image", "guest", "--boot-from-volume", "1")
        shown = self.cloud.openstack("server", "show", "root")
        self.assertEqual(len(shown["volumes_attached"]), 1)
        self.assertEqual(list(pathlib.Path(self.cloud.state, "guests").rglob("root.*")), [])
        self.cloud.openstack("server", "add", "volume", "root", "data")
        self.guest("echo kept | sudo tee /kept; sync")
        self.volume("in-use")
        self.cloud.openstack("server", "stop", "root")
        self.cloud.wait_server(server, ("SHUTOFF",))
        self.cloud.openstack("server", "start", "root")
        self.cloud.wait_server(server)
        self.cloud.wait_ssh(self.address, self.key)
        self.assertEqual(self.guest("cat", "/kept"), "kept")
        disk = wait("the guest sees the disk", self.disk, 30)[0]
        self.assertEqual(self.guest(f"sudo mount /dev/{disk} /mnt && cat /mnt/file"), "kept")

    def test_06_everything_can_be_deleted(self):
        self.cloud.openstack("server", "delete", "--wait", "root")
        volumes = wait("both are available", lambda: (found := self.cloud.openstack("volume", "list")) and all(
            row["Status"] == "available" for row in found) and found, 30)
        self.assertEqual(len(volumes), 2)
        self.cloud.openstack("volume", "delete", *(row["ID"] for row in volumes))
        wait("no volume is left", lambda: self.cloud.openstack("volume", "list") == [], 60)
        self.assertEqual([path for path in pathlib.Path(self.cloud.state, "volumes").rglob("volume-*")], [])


if __name__ == "__main__":
    unittest.main(verbosity=2)
