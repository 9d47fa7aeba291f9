"""Bad input on every route: upstream's kind of answer, never a 5xx, and nothing changed."""
import json
import pathlib
import unittest
import uuid

import requests

from cloud import MARTLET, Cloud, run

BASES = {"identity": 5000, "image": 9292, "compute": 8774, "placement": 8778, "network": 9696, "block-storage": 8776}
HOSTILE = ["%00", "..%2f..%2fetc%2fpasswd", "%27%3b%20DROP%20TABLE%20server%3b--", "a" * 300, "%ff%fe", "%F0%9F%90%A6"]
BODIES = [b"", b"{", b"[]", b"null", b'"text"', b"{}", b'{"a": {"b": [1, {"c": null}]}}', b'{"\\u0000": "\\u0000"}',
          b"\xff\xfe", b"[" * 5000, b'{"name": ' + b'"' + b"n" * 70_000 + b'"}']


def wrong(depth=0):
    """Values of every JSON type, for members that want another one."""
    return [None, True, -1, 1 << 63, 1.5, "", "x" * 70_000, [], {}, ["a"], {"a": "b"}]


class BadInput(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.cloud = Cloud(fake=True)
        cls.cloud.up()
        cls.routes = [dict(zip(("service", "method", "path", "action", "since", "until", "policy"), line.split("\t")))
                      for line in run(MARTLET, "routes").stdout.splitlines()[1:]]
        cls.session = requests.Session()
        cls.admin = cls.cloud.token()
        cls.make_people()

    @classmethod
    def tearDownClass(cls):
        cls.cloud.destroy()

    @classmethod
    def make_people(cls):
        api = cls.cloud.api
        roles = {role["name"]: role["id"] for role in api("GET", "identity", "/roles")["roles"]}
        cls.people = {}
        for name, role in (("reader", "reader"), ("member", "member"), ("stranger", "member")):
            project = api("POST", "identity", "/projects", {"project": {"name": "p-" + name}})["project"]["id"]
            user = api("POST", "identity", "/users", {"user": {"name": name, "password": "pw-of-" + name}})["user"]["id"]
            api("PUT", "identity", f"/projects/{project}/users/{user}/roles/{roles[role]}")
            cls.people[name] = cls.cloud.token(name, "pw-of-" + name, "p-" + name)

    def send(self, route, path, token, data=None, headers=None):
        url = f"http://127.0.0.1:{BASES[route['service']] + self.cloud.offset}{path}"
        all_headers = {"Content-Type": "application/json", "OpenStack-API-Version":
                       "placement latest" if route["service"] == "placement" else "compute latest", **(headers or {})}
        if token:
            all_headers["X-Auth-Token"] = token
        return self.session.request(route["method"], url, data=data, headers=all_headers, timeout=60)

    @staticmethod
    def fill(path, value):
        parts = [value if part.startswith("{") else part for part in path.split("/")]
        return "/".join(parts)

    def no_5xx(self, route, reply, what):
        if reply.status_code >= 500 and reply.status_code not in (501,):
            self.bad.append(f"{reply.status_code} {route['method']} {route['path']} {route['action']} [{what}] "
                            f"{reply.text[:200]}")

    def setUp(self):
        self.bad = []

    def tearDown(self):
        self.assertEqual(self.bad[:40], [], f"{len(self.bad)} bad answers")

    def test_without_a_token_or_with_a_wrong_one(self):
        for route in self.routes:
            if route["policy"] == "open":
                continue
            path = self.fill(route["path"], str(uuid.uuid4()))
            for token in (None, "gAAAA-not-a-token", self.admin[:-6] + "AAAAAA"):
                reply = self.send(route, path, token, b"{}")
                if reply.status_code != 401:
                    self.bad.append(f"{reply.status_code} {route['method']} {route['path']} with token {str(token)[:10]}")

    def test_hostile_ids_in_every_path(self):
        for route in self.routes:
            if "{" not in route["path"] or (route["method"] in ("PUT", "PATCH", "POST") and route["service"] == "image"):
                continue
            for value in HOSTILE:
                reply = self.send(route, self.fill(route["path"], value), self.admin, b"{}")
                self.no_5xx(route, reply, value[:20])

    def test_malformed_bodies(self):
        for route in self.routes:
            if route["method"] not in ("POST", "PUT", "PATCH"):
                continue
            path = self.fill(route["path"], str(uuid.uuid4()))
            for body in BODIES:
                self.no_5xx(route, self.send(route, path, self.admin, body), body[:20])

    def test_values_of_the_wrong_type_in_every_known_member(self):
        members = json.loads(pathlib.Path(__file__).with_name("members.json").read_text())
        for name, entry in members.items():
            method, service, path, wrapper = entry["method"], entry["service"], entry["path"], entry["wrapper"]
            route = {"method": method, "service": service, "path": path, "action": name}
            for member in entry["members"]:
                for value in wrong():
                    body = {wrapper: {**entry.get("base", {}), member: value}} if wrapper else {
                        **entry.get("base", {}), member: value}
                    reply = self.send(route, path, self.admin, json.dumps(body).encode())
                    self.no_5xx(route, reply, f"{member}={str(value)[:20]}")

    def test_queries(self):
        for route in self.routes:
            if route["method"] != "GET" or "{" in route["path"]:
                continue
            for query in ("limit=-1", "limit=x", "marker=" + str(uuid.uuid4()), "sort_key=password", "sort_dir=up",
                          "sort=a:b:c", "name=%00", "name=%27%22", "changes-since=yesterday", "deleted=maybe", "limit=999999999999999999999",
                          "fields=nothing", "status=x&status=y", "ip=(((", "name=[", "all_tenants=perhaps"):
                self.no_5xx(route, self.send(route, route["path"] + "?" + query, self.admin), query)

    def test_a_reader_changes_nothing(self):
        for route in self.routes:
            if route["method"] in ("GET", "HEAD") or route["policy"] == "open" or route["path"].startswith("/v3/auth"):
                continue
            path = self.fill(route["path"], str(uuid.uuid4()))
            body = json.dumps({route["action"]: None} if route["action"] else {}).encode()
            reply = self.send(route, path, self.people["reader"], body)
            self.no_5xx(route, reply, "reader")
            if reply.status_code < 300:
                self.bad.append(f"{reply.status_code} {route['method']} {route['path']} for a reader")

    def test_ids_of_another_project_are_not_found(self):
        def make(service, path, body):
            return self.cloud.api("POST", service, path, body, token=self.people["member"])
        network = make("network", "/networks", {"network": {"name": "n"}})["network"]["id"]
        subnet = make("network", "/subnets", {"subnet": {"network_id": network, "ip_version": 4, "cidr": "10.1.0.0/24"}})
        port = make("network", "/ports", {"port": {"network_id": network}})["port"]["id"]
        router = make("network", "/routers", {"router": {}})["router"]["id"]
        group = make("network", "/security-groups", {"security_group": {"name": "g"}})["security_group"]["id"]
        image = make("image", "/images", {"name": "i", "disk_format": "raw", "container_format": "bare"})["id"]
        paths = [("network", f"/v2.0/networks/{network}"), ("network", f"/v2.0/subnets/{subnet['subnet']['id']}"),
                 ("network", f"/v2.0/ports/{port}"), ("network", f"/v2.0/routers/{router}"),
                 ("network", f"/v2.0/security-groups/{group}"), ("image", f"/v2/images/{image}")]
        for service, path in paths:
            for method in ("GET", "DELETE"):
                reply = self.send({"method": method, "service": service}, path, self.people["stranger"])
                self.assertEqual(reply.status_code, 404, f"{method} {path} {reply.text}")
        body = json.dumps({"port": {"network_id": network}}).encode()
        reply = self.send({"method": "POST", "service": "network"}, "/v2.0/ports", self.people["stranger"], body)
        self.assertEqual(reply.status_code, 404)


if __name__ == "__main__":
    unittest.main(verbosity=2)
