"""The launch flow with the stock `openstack` client alone, on a real guest; then what must hold around it."""
import json
import pathlib
import subprocess
import time
import unittest

from cloud import Cloud, Story, run, wait


class LaunchFlow(Story):
    """One cloud, one story: the tests run in the order of their names and build on each other."""

    @classmethod
    def setUpClass(cls):
        cls.cloud = Cloud()
        cls.cloud.up()
        cls.user = {"OS_USERNAME": "erin", "OS_PASSWORD": "correct horse", "OS_PROJECT_NAME": "engineering"}

    @classmethod
    def tearDownClass(cls):
        cls.cloud.destroy()
        assert cls.cloud.leftovers() == [], cls.cloud.leftovers()

    def mine(self, *words, **options):
        return self.cloud.openstack(*words, user=self.user, **options)

    def test_01_the_administrator_makes_a_project_a_user_and_quotas(self):
        admin = self.cloud.openstack
        admin("project", "create", "engineering", "--description", "Engineering department")
        admin("user", "create", "erin", "--password", "correct horse", "--project", "engineering")
        admin("role", "add", "--user", "erin", "--project", "engineering", "member")
        admin("quota", "set", "--instances", "6", "--cores", "12", "--ram", "8192", "--floating-ips", "5", "engineering")
        quota = {row["Resource"]: row["Limit"] for row in admin("quota", "show", "engineering")}
        self.assertEqual((quota["instances"], quota["floating_ips"]), (6, 5))
        type(self).image = self.cloud.upload_guest_image()

    def test_02_the_user_makes_network_router_group_and_key(self):
        self.mine("network", "create", "lab")
        subnet = self.mine("subnet", "create", "lab", "--network", "lab", "--subnet-range", "10.0.0.0/24",
                           "--dns-nameserver", "10.0.0.2")
        self.assertEqual(subnet["gateway_ip"], "10.0.0.1")
        self.mine("router", "create", "edge", "--external-gateway", "public")
        self.mine("router", "add", "subnet", "edge", "lab")
        self.mine("security", "group", "create", "ssh")
        self.mine("security", "group", "rule", "create", "ssh", "--protocol", "tcp", "--dst-port", "22")
        self.mine("security", "group", "rule", "create", "ssh", "--protocol", "icmp")
        key = pathlib.Path(self.cloud.folder, "erin.pem")
        run("ssh-keygen", "-q", "-t", "ecdsa", "-N", "", "-f", key)
        self.mine("keypair", "create", "erin", "--public-key", f"{key}.pub")
        type(self).key = str(key)

    def test_03_a_guest_boots_and_answers_ssh_at_its_floating_ip(self):
        data = pathlib.Path(self.cloud.folder, "user-data")
        data.write_text("#!/bin/sh\necho user data of $(hostname) ran\n")
        server = self.mine("server", "create", "web1", "--image", "guest", "--flavor", "m1.nano", "--network", "lab",
                           "--security-group", "ssh", "--key-name", "erin", "--user-data", data, "--wait")
        self.assertEqual(server["status"], "ACTIVE")
        address = self.mine("floating", "ip", "create", "public")["floating_ip_address"]
        self.mine("server", "add", "floating", "ip", "web1", address)
        self.cloud.wait_ssh(address, self.key)
        type(self).server, type(self).address = server["id"], address
        self.assertEqual(self.cloud.ssh(address, self.key, "hostname").stdout.strip(), "web1")
        self.assertIn("uid=0", self.cloud.ssh(address, self.key, "sudo", "-n", "id").stdout)
        self.assertIn("10.0.0.", self.cloud.ssh(address, self.key, "ip", "-4", "addr").stdout)

    def test_04_its_console_log_addresses_and_actions_can_be_read(self):
        wait("the user data's line", lambda: "user data of web1 ran" in self.mine(
            "console", "log", "show", "web1"), 30, 2)
        shown = self.mine("server", "show", "web1")
        self.assertIn(self.address, json.dumps(shown["addresses"]))
        events = self.mine("server", "event", "list", "web1")
        self.assertEqual(events[-1]["Action"], "create")
        self.assertEqual(self.mine("floating", "ip", "list")[0]["Fixed IP Address"][:7], "10.0.0.")

    def test_05_the_metadata_service_knows_the_guest(self):
        def metadata(path):
            return self.cloud.ssh(self.address, self.key, "curl", "-sf", f"http://169.254.169.254/{path}").stdout
        self.assertEqual(json.loads(metadata("openstack/latest/meta_data.json"))["uuid"], self.server)
        self.assertEqual(metadata("latest/meta-data/hostname").split(".")[0], "web1")
        self.assertIn("user data of", metadata("latest/user-data"))

    def test_06_the_guest_reaches_out_through_its_router(self):
        self.cloud.ssh(self.address, self.key, "ping", "-c", "2", "-W", "2", "172.24.4.1")

    def test_07_guests_go_on_while_the_control_plane_is_stopped_and_started(self):
        def boot():
            return self.cloud.ssh(self.address, self.key, "cat", "/proc/sys/kernel/random/boot_id").stdout
        before = boot()
        ping = subprocess.Popen(
            ["ip", "netns", "exec", self.cloud.name, "ping", "-i", "0.2", "-W", "1", self.address],
            stdout=subprocess.PIPE, text=True)
        time.sleep(1)
        self.cloud.martlet("stop")
        self.assertEqual(self.cloud.ssh(self.address, self.key, "echo", "alone").stdout.strip(), "alone")
        self.cloud.up()
        self.cloud.tokens.clear()
        time.sleep(3)
        ping.send_signal(2)
        lines = ping.communicate(timeout=20)[0]
        self.assertIn(" 0% packet loss", lines)
        self.assertEqual(self.mine("server", "show", "web1")["status"], "ACTIVE")
        self.assertEqual(boot(), before)

    def test_08_power_actions_reach_the_guest(self):
        self.mine("server", "stop", "web1")
        self.cloud.wait_server(self.server, ("SHUTOFF",))
        self.mine("server", "start", "web1")
        self.cloud.wait_server(self.server)
        self.cloud.wait_ssh(self.address, self.key)
        self.mine("server", "reboot", "--hard", "web1")
        self.cloud.wait_server(self.server)
        self.cloud.wait_ssh(self.address, self.key)

    def test_09_a_guest_that_shuts_itself_down_is_seen(self):
        self.cloud.ssh(self.address, self.key, "sudo", "poweroff", check=False)
        self.cloud.wait_server(self.server, ("SHUTOFF",))

    def test_10_a_server_that_fits_nowhere_says_why(self):
        self.cloud.openstack("flavor", "create", "giant", "--ram", "10000000", "--disk", "1", "--vcpus", "1")
        self.cloud.openstack("quota", "set", "--ram", "-1", "engineering")
        server = self.mine("server", "create", "giant", "--image", "guest", "--flavor", "giant", "--network", "lab")
        shown = self.cloud.wait_server(server["id"], ("ERROR",))
        self.assertIn("No valid host", shown["fault"]["message"])
        self.assertIn("MEMORY_MB", json.dumps(shown["fault"]))
        self.mine("server", "delete", "--wait", "giant")

    def test_11_everything_can_be_deleted_again(self):
        self.mine("server", "delete", "--wait", "web1")
        self.mine("floating", "ip", "delete", self.address)
        self.mine("router", "remove", "subnet", "edge", "lab")
        self.mine("router", "delete", "edge")
        self.mine("network", "delete", "lab")
        self.mine("security", "group", "delete", "ssh")
        self.mine("keypair", "delete", "erin")
        wait("no guest is left", lambda: not any("qemu" in line for line in self.cloud.leftovers()), 20)
        self.assertEqual(list(pathlib.Path(self.cloud.state, "guests").rglob("*-*-*-*-*")), [])


if __name__ == "__main__":
    unittest.main(verbosity=2)
