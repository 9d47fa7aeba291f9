"""kill -9 of Martlet while servers build: nothing sticks and nothing is left."""
import os
import pathlib
import random
import time
import unittest

from cloud import Cloud, wait

SERVERS = 10


class Crash:
    """The story, for the fake and for QEMU."""
    fake = True
    rounds = 20

    def setUp(self):
        self.cloud = Cloud(fake=self.fake)
        self.cloud.up()
        api = self.cloud.api
        image = api("POST", "image", "/images", {"name": "empty", "disk_format": "raw", "container_format": "bare"})["id"]
        self.cloud.api("PUT", "image", f"/images/{image}/file", status=204, data=os.urandom(1 << 16),
                       headers={"Content-Type": "application/octet-stream"})
        network = api("POST", "network", "/networks", {"network": {"name": "n"}})["network"]["id"]
        api("POST", "network", "/subnets", {"subnet": {"network_id": network, "ip_version": 4, "cidr": "10.0.0.0/24"}})
        flavor = api("POST", "compute", "/flavors", {"flavor": {
            "name": "dot", "ram": 64, "vcpus": 1, "disk": 1}})["flavor"]["id"]
        self.body = {"server": {"name": "s", "imageRef": image, "flavorRef": flavor, "networks": [{"uuid": network}],
                                "min_count": SERVERS, "max_count": SERVERS}}

    def tearDown(self):
        self.cloud.destroy()
        self.assertEqual(self.cloud.leftovers(), [])

    def servers(self):
        return self.cloud.api("GET", "compute", "/servers/detail")["servers"]

    def test_kill_while_servers_build(self):
        generator = random.Random(4711)
        for round in range(self.rounds):
            with self.subTest(round=round):
                self.one_round(generator.random() * (0.4 if self.fake else 4))

    def one_round(self, moment):
        self.cloud.api("POST", "compute", "/servers", self.body)
        time.sleep(moment)
        self.cloud.kill()
        self.cloud.up()
        self.cloud.tokens.clear()
        settled = wait("every server is settled", self.settled, 120)
        for server in settled:
            if server["status"] == "ERROR":
                self.assertTrue(server["fault"]["message"])
        for server in settled:
            self.cloud.api("DELETE", "compute", f"/servers/{server['id']}", status=204)
        wait("every server is gone", lambda: not self.servers(), 120)
        self.nothing_is_left()

    def settled(self):
        servers = self.servers()
        self.assertEqual(len(servers), SERVERS)
        return servers if all(s["status"] in ("ACTIVE", "ERROR") and s["OS-EXT-STS:task_state"] is None
                              for s in servers) else None

    def nothing_is_left(self):
        ports = self.cloud.api("GET", "network", "/ports")["ports"]
        self.assertEqual([p["device_owner"] for p in ports if p["device_owner"].startswith("compute:")], [])
        for provider in self.cloud.api("GET", "placement", "/resource_providers")["resource_providers"]:
            held = self.cloud.api("GET", "placement", f"/resource_providers/{provider['uuid']}/allocations")
            self.assertEqual(held["allocations"], {})
        limits = self.cloud.api("GET", "compute", "/limits")["limits"]["absolute"]
        self.assertEqual((limits["totalInstancesUsed"], limits["totalCoresUsed"], limits["totalRAMUsed"]), (0, 0, 0))
        wait("no guest folder is left",
             lambda: not list(pathlib.Path(self.cloud.state, "guests").rglob("????????-????-*")), 20)
        if not self.fake:
            wait("no QEMU is left", lambda: not [x for x in self.cloud.leftovers() if "qemu-system" in x], 20)
            # The DHCP server's end of a veth is named after its port too, with its peer behind an @.
            wait("no TAP is left", lambda: not [line for line in self.cloud.martlet(
                "exec", "--", "ip", "-br", "link").stdout.splitlines() if line.startswith("tap") and "@" not in line], 20)


class CrashOnTheFake(Crash, unittest.TestCase):
    fake, rounds = True, 20


class CrashOnQEMU(Crash, unittest.TestCase):
    fake, rounds = False, 3


if __name__ == "__main__":
    unittest.main(verbosity=2)
