"""Security groups filter for real, between two guests; two projects with the same addresses do not see each other."""
import base64
import pathlib
import time
import unittest

from cloud import Cloud, Story, run, wait

USER_DATA = "#!/bin/sh\n(while true; do nc -l -p 8080 -e cat; done) >/dev/null 2>&1 &\n"


class SecurityGroups(Story):
    @classmethod
    def setUpClass(cls):
        cls.cloud = Cloud()
        cls.cloud.up()
        cls.image = cls.cloud.upload_guest_image()
        cls.key = str(pathlib.Path(cls.cloud.folder, "key"))
        run("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", cls.key)
        cls.make_guests()

    @classmethod
    def tearDownClass(cls):
        cls.cloud.destroy()
        assert cls.cloud.leftovers() == [], cls.cloud.leftovers()

    @classmethod
    def make_guests(cls):
        api = cls.cloud.api
        api("POST", "compute", "/os-keypairs", {"keypair": {
            "name": "k", "type": "ssh", "public_key": pathlib.Path(cls.key + ".pub").read_text()}})
        network = api("POST", "network", "/networks", {"network": {"name": "n"}})["network"]["id"]
        subnet = api("POST", "network", "/subnets", {"subnet": {
            "network_id": network, "ip_version": 4, "cidr": "10.0.0.0/24"}})["subnet"]["id"]
        external = api("GET", "network", "/networks?router:external=true")["networks"][0]["id"]
        router = api("POST", "network", "/routers", {"router": {"external_gateway_info": {"network_id": external}}})
        api("PUT", "network", f"/routers/{router['router']['id']}/add_router_interface", {"subnet_id": subnet})
        cls.groups = {}
        for name, ports in (("client", [22]), ("server", [22, 8080])):
            group = api("POST", "network", "/security-groups", {"security_group": {"name": name}})["security_group"]["id"]
            cls.groups[name] = group
            for port in ports:
                rule = api("POST", "network", "/security-group-rules", {"security_group_rule": {
                    "security_group_id": group, "direction": "ingress", "protocol": "tcp", "port_range_min": port,
                    "port_range_max": port, "ethertype": "IPv4"}})["security_group_rule"]["id"]
                cls.groups[f"{name}:{port}"] = rule
        flavor = next(f["id"] for f in api("GET", "compute", "/flavors")["flavors"] if f["name"] == "m1.nano")
        cls.guests = {}
        for name in ("client", "server"):
            body = {"server": {
                "name": name, "imageRef": cls.image, "flavorRef": flavor, "key_name": "k", "networks": [{"uuid": network}],
                "security_groups": [{"name": name}], "user_data": base64.b64encode(USER_DATA.encode()).decode()}}
            server = api("POST", "compute", "/servers", body)["server"]["id"]
            cls.cloud.wait_server(server)
            port = api("GET", "network", f"/ports?device_id={server}")["ports"][0]
            floating = api("POST", "network", "/floatingips", {"floatingip": {
                "floating_network_id": external, "port_id": port["id"]}})["floatingip"]["floating_ip_address"]
            cls.guests[name] = {"id": server, "port": port, "fixed": port["fixed_ips"][0]["ip_address"],
                                "floating": floating}
        for guest in cls.guests.values():
            cls.cloud.wait_ssh(guest["floating"], cls.key)

    def on_client(self, *words, check=False):
        return self.cloud.ssh(self.guests["client"]["floating"], self.key, *words, check=check, timeout=40)

    def echo(self, port):
        """Whether the server echoes a line to the client at a port."""
        fixed = self.guests["server"]["fixed"]
        return "hello" in self.on_client(f"echo hello | timeout 3 nc -w 2 {fixed} {port}").stdout

    def test_1_allowed_traffic_passes_and_its_replies(self):
        wait("the echo answers", lambda: self.echo(8080), 30)

    def test_2_the_rest_is_dropped(self):
        self.assertFalse(self.echo(8081))
        ping = self.on_client("ping", "-c", "2", "-W", "1", self.guests["server"]["fixed"])
        self.assertIn("100% packet loss", ping.stdout)

    def test_3_a_spoofed_address_and_a_spoofed_mac_are_dropped(self):
        fixed = self.guests["server"]["fixed"]
        self.cloud.api("POST", "network", "/security-group-rules", {"security_group_rule": {
            "security_group_id": self.groups["server"], "direction": "ingress", "protocol": "icmp", "ethertype": "IPv4"}})
        def pings(source=""):
            return " 0% packet loss" in self.on_client(f"ping -c 2 -W 1 {source} {fixed}").stdout
        wait("ping is allowed", pings, 20)
        self.on_client("sudo ip addr add 10.0.0.99/24 dev eth0", check=True)
        self.assertFalse(pings("-I 10.0.0.99"))
        # A device with another MAC behind the guest's NIC sends frames that are not the port's.
        mac = self.guests["client"]["port"]["mac_address"]
        script = ("sudo sh -c 'ip link set eth0 down; ip link set eth0 address fa:16:3e:00:00:99; ip link set eth0 up; sleep 1;"
                  f" ip route replace default via 10.0.0.1; ping -c 2 -W 1 {fixed} > /tmp/spoof 2>&1;"
                  f" ip link set eth0 down; ip link set eth0 address {mac}; ip link set eth0 up; sleep 1;"
                  " ip route replace default via 10.0.0.1'")
        self.on_client(f"setsid {script} >/dev/null 2>&1 </dev/null &")
        time.sleep(8)
        self.cloud.wait_ssh(self.guests["client"]["floating"], self.key, 60)
        self.assertIn("100% packet loss", self.on_client("cat /tmp/spoof").stdout)
        self.assertTrue(wait("ping is back", pings, 20))

    def test_4_removing_a_rule_cuts_an_established_connection(self):
        fixed = self.guests["server"]["fixed"]
        self.on_client(
            f"setsid sh -c '(while true; do date; sleep 1; done) | nc {fixed} 8080 > /tmp/flow' >/dev/null 2>&1 </dev/null &", check=True)

        def lines():
            return len(self.on_client("cat /tmp/flow").stdout.splitlines())
        wait("the connection carries data", lambda: lines() > 2, 30)
        self.cloud.api("DELETE", "network", f"/security-group-rules/{self.groups['server:8080']}")
        time.sleep(3)
        before = lines()
        time.sleep(4)
        self.assertEqual(lines(), before)

    def test_5_the_same_addresses_in_another_project_are_another_network(self):
        api, network = self.cloud.api, None
        network = api("POST", "network", "/networks", {"network": {"name": "twin"}})["network"]["id"]
        api("POST", "network", "/subnets", {"subnet": {"network_id": network, "ip_version": 4, "cidr": "10.0.0.0/24"}})
        fixed = self.guests["server"]["fixed"]
        port = api("POST", "network", "/ports", {"port": {"network_id": network, "fixed_ips": [{"ip_address": fixed}]}})
        self.assertEqual(port["port"]["fixed_ips"][0]["ip_address"], fixed)
        self.assertTrue(wait("SSH still answers", lambda: self.on_client("true").returncode == 0, 10))
        api("DELETE", "network", f"/ports/{port['port']['id']}")
        api("DELETE", "network", f"/networks/{network}")


if __name__ == "__main__":
    unittest.main(verbosity=2)
