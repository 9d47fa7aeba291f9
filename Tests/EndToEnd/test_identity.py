"""Every identity command of the stock `openstack` client, policy.yaml, keys, and rules on passwords, on a fake cloud."""
import contextlib
import io
import json
import os
import pathlib
import sys
import time
import unittest
from importlib.metadata import entry_points

from cloud import Cloud, run, wait

COMMANDS = {entry.name.replace("_", " "): entry for entry in entry_points(group="openstack.identity.v3")}
# These need the client's optional oauthlib; OAuthTests and MatrixTests of the Swift suites cover their routes.
LEFT_OUT = {"request token create", "request token authorize", "access token create"} | {
    f"consumer {verb}" for verb in ("create", "delete", "list", "set", "show")}


class Client:
    """The stock client inside this process: a command costs no start of Python."""

    def __init__(self, environment):
        self.environment, self.used = environment, set()

    def __call__(self, *words, check=True):
        from cliff.lister import Lister
        from cliff.show import ShowOne
        from openstackclient import shell
        words = [str(word) for word in words]
        name = max((name for name in COMMANDS if words[:len(name.split())] == name.split()), key=len)
        self.used.add(name)
        has_output = issubclass(COMMANDS[name].load(), (Lister, ShowOne))
        out, err, before = io.StringIO(), io.StringIO(), dict(os.environ)
        os.environ.clear()
        os.environ.update(self.environment)
        try:
            with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
                code = shell.OpenStackShell().run(words + (["-f", "json"] if has_output else []))
        finally:
            os.environ.clear()
            os.environ.update(before)
        if not check:
            return code
        # `federation protocol set` answers with columns where a number is due.
        if code and not isinstance(code, tuple):
            raise AssertionError(f"openstack {' '.join(words)}: {code}\n{out.getvalue()}\n{err.getvalue()}")
        return self.lower(json.loads(out.getvalue())) if has_output else out.getvalue()

    def lower(self, value):
        """Commands disagree on how their columns are written."""
        if isinstance(value, list):
            return [self.lower(item) for item in value]
        return {key.lower(): item for key, item in value.items()} if isinstance(value, dict) else value


class IdentityCommands(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.cloud = Cloud(fake=True)
        cls.cloud.up()
        environment = cls.cloud.environment()
        # A token in place of the password: a command costs no hash.
        environment.update(OS_AUTH_TYPE="v3token", OS_TOKEN=cls.cloud.token())
        for name in ("OS_USERNAME", "OS_PASSWORD", "OS_USER_DOMAIN_NAME"):
            environment.pop(name)
        cls.openstack = Client(environment)

    @classmethod
    def tearDownClass(cls):
        cls.cloud.destroy()

    def names(self, rows, key="name"):
        return {row[key] for row in rows}

    def file(self, name, value):
        path = pathlib.Path(self.cloud.folder, name)
        path.write_text(json.dumps(value))
        return path

    def test_every_command(self):
        started = time.monotonic()
        for part in (self.projects_and_domains, self.people, self.roles, self.catalog, self.filters, self.limits,
                     self.credentials, self.federation, self.tokens):
            with self.subTest(part.__name__):
                part()
        self.assertEqual(set(COMMANDS) - self.openstack.used - LEFT_OUT, set())
        self.assertLess(time.monotonic() - started, 300)

    def projects_and_domains(self):
        osc = self.openstack
        domain = osc("domain", "create", "d1", "--description", "a domain")
        self.assertEqual(osc("domain", "show", "d1")["id"], domain["id"])
        osc("domain", "set", "d1", "--name", "d2", "--disable")
        self.assertIn("d2", self.names(osc("domain", "list")))
        osc("domain", "delete", "d2")
        osc("project", "create", "p1", "--tag", "t", "--property", "colour=red")
        osc("project", "create", "p2", "--parent", "p1")
        osc("project", "set", "p2", "--description", "below", "--tag", "u")
        shown = osc("project", "show", "p2")
        self.assertEqual((shown["description"], shown["tags"]), ("below", ["u"]))
        self.assertLessEqual({"p1", "p2"}, self.names(osc("project", "list")))
        self.assertEqual(self.names(osc("project", "list", "--tags", "t")), {"p1"})
        osc("project", "delete", "p2")

    def people(self):
        osc = self.openstack
        osc("user", "create", "alice", "--password", "secret one", "--email", "a@b.c", "--project", "p1")
        osc("user", "create", "bob", "--enable-lock-password")
        osc("user", "set", "bob", "--description", "a user", "--disable-lock-password")
        self.assertEqual(osc("user", "show", "bob")["description"], "a user")
        self.assertLessEqual({"alice", "bob"}, self.names(osc("user", "list")))
        osc("group", "create", "g1", "--description", "d")
        osc("group", "set", "g1", "--name", "g2")
        self.assertEqual(osc("group", "show", "g2")["description"], "d")
        self.assertIn("g2", self.names(osc("group", "list")))
        osc("group", "add", "user", "g2", "alice", "bob")
        osc("group", "contains", "user", "g2", "alice")
        self.assertEqual(self.names(osc("user", "list", "--group", "g2")), {"alice", "bob"})
        osc("group", "remove", "user", "g2", "bob")
        alice = Client({**self.openstack.environment, "OS_AUTH_TYPE": "password", "OS_USERNAME": "alice",
                        "OS_PASSWORD": "secret one", "OS_USER_DOMAIN_NAME": "Default", "OS_PROJECT_NAME": "p1"})
        alice.environment.pop("OS_TOKEN")
        osc("role", "add", "member", "--user", "alice", "--project", "p1")
        alice("user", "password", "set", "--original-password", "secret one", "--password", "secret two")
        osc.used |= alice.used
        self.assertNotEqual(alice("token", "issue", check=False), 0)
        alice.environment["OS_PASSWORD"] = "secret two"
        self.assertTrue(alice("token", "issue")["id"])

    def roles(self):
        osc = self.openstack
        osc("role", "create", "r1", "--description", "d")
        osc("role", "set", "r1", "--name", "r2")
        self.assertEqual(osc("role", "show", "r2")["description"], "d")
        self.assertIn("r2", self.names(osc("role", "list")))
        osc("implied", "role", "create", "r2", "--implied-role", "reader")
        self.assertIn("r2", {row["prior role name"] for row in osc("implied", "role", "list")})
        osc("role", "add", "r2", "--group", "g2", "--project", "p1", "--inherited")
        osc("role", "add", "r2", "--user", "bob", "--system", "all")
        rows = osc("role", "assignment", "list", "--names", "--user", "bob")
        self.assertEqual([(row["role"], row["system"]) for row in rows], [("r2", "all")])
        self.assertTrue(osc("role", "assignment", "list", "--project", "p1", "--effective"))
        osc("role", "remove", "r2", "--user", "bob", "--system", "all")
        osc("role", "remove", "r2", "--group", "g2", "--project", "p1", "--inherited")
        osc("implied", "role", "delete", "r2", "--implied-role", "reader")
        osc("role", "delete", "r2")

    def catalog(self):
        osc = self.openstack
        osc("region", "create", "north", "--description", "d")
        osc("region", "set", "north", "--description", "e")
        self.assertEqual(osc("region", "show", "north")["description"], "e")
        self.assertIn("north", self.names(osc("region", "list"), "region"))
        osc("service", "create", "dns", "--name", "designate")
        osc("service", "set", "designate", "--description", "names")
        self.assertEqual(osc("service", "show", "designate")["type"], "dns")
        self.assertIn("designate", self.names(osc("service", "list")))
        endpoint = osc("endpoint", "create", "designate", "public", "http://dns.test", "--region", "north")["id"]
        osc("endpoint", "set", endpoint, "--url", "http://dns.test/v2")
        self.assertEqual(osc("endpoint", "show", endpoint)["url"], "http://dns.test/v2")
        self.assertIn(endpoint, self.names(osc("endpoint", "list"), "id"))
        self.assertIn("designate", self.names(osc("catalog", "list")))
        self.assertEqual(osc("catalog", "show", "designate")["type"], "dns")
        policy = osc("policy", "create", str(self.file("rules.json", {})))["id"]
        osc("policy", "set", policy, "--type", "text/plain")
        self.assertEqual(osc("policy", "show", policy)["type"], "text/plain")
        self.assertIn(policy, self.names(osc("policy", "list"), "id"))
        osc("policy", "delete", policy)

    def filters(self):
        osc = self.openstack
        endpoint = osc("endpoint", "list", "--service", "designate")[0]["id"]
        osc("endpoint", "add", "project", endpoint, "p1")
        self.assertEqual(self.names(osc("endpoint", "list", "--project", "p1"), "id"), {endpoint})
        osc("endpoint", "remove", "project", endpoint, "p1")
        filters = self.file("filters.json", {"interface": "public"})
        osc("endpoint", "group", "create", "eg1", filters)
        osc("endpoint", "group", "set", "eg1", "--name", "eg2", "--description", "d")
        self.assertEqual(osc("endpoint", "group", "show", "eg2")["description"], "d")
        osc("endpoint", "group", "add", "project", "eg2", "p1")
        self.assertEqual(self.names(osc("endpoint", "group", "list", "--project", "p1")), {"eg2"})
        osc("endpoint", "group", "remove", "project", "eg2", "p1")
        osc("endpoint", "group", "delete", "eg2")
        self.assertEqual(osc("endpoint", "group", "list"), [])

    def limits(self):
        osc = self.openstack
        general = osc("registered", "limit", "create", "zones", "--service", "designate", "--default-limit", 5)["id"]
        osc("registered", "limit", "set", general, "--default-limit", 6)
        self.assertEqual(osc("registered", "limit", "show", general)["default_limit"], 6)
        self.assertEqual(self.names(osc("registered", "limit", "list"), "resource name"), {"zones"})
        own = osc("limit", "create", "zones", "--service", "designate", "--project", "p1", "--resource-limit", 7)["id"]
        osc("limit", "set", own, "--resource-limit", 8)
        self.assertEqual(osc("limit", "show", own)["resource_limit"], 8)
        self.assertEqual(self.names(osc("limit", "list", "--project", "p1"), "id"), {own})
        osc("limit", "delete", own)
        osc("registered", "limit", "delete", general)
        for endpoint in osc("endpoint", "list", "--service", "designate"):
            osc("endpoint", "delete", endpoint["id"])
        osc("service", "delete", "designate")
        osc("region", "delete", "north")

    def credentials(self):
        osc = self.openstack
        made = osc("credential", "create", "alice", "a blob", "--type", "cert")["id"]
        osc("credential", "set", made, "--user", "alice", "--type", "cert", "--data", "another")
        self.assertEqual(osc("credential", "show", made)["blob"], "another")
        self.assertIn(made, self.names(osc("credential", "list"), "id"))
        osc("credential", "delete", made)
        key = osc("ec2", "credentials", "create", "--user", "alice", "--project", "p1")["access"]
        self.assertEqual(osc("ec2", "credentials", "show", key, "--user", "alice")["access"], key)
        self.assertEqual(self.names(osc("ec2", "credentials", "list", "--user", "alice"), "access"), {key})
        osc("ec2", "credentials", "delete", key, "--user", "alice")
        rules = self.file("access.json", [{"service": "compute", "method": "GET", "path": "/v2.1/servers"}])
        osc("application", "credential", "create", "robot", "--role", "member", "--access-rules", rules)
        self.assertEqual(osc("application", "credential", "show", "robot")["name"], "robot")
        self.assertEqual(self.names(osc("application", "credential", "list")), {"robot"})
        osc("application", "credential", "delete", "robot")
        rule = osc("access", "rule", "list")[0]["id"]
        self.assertEqual(osc("access", "rule", "show", rule)["method"], "GET")
        osc("access", "rule", "delete", rule)
        trust = osc("trust", "create", "admin", "alice", "--project", "admin", "--role", "reader")["id"]
        self.assertEqual(osc("trust", "show", trust)["id"], trust)
        self.assertEqual(self.names(osc("trust", "list"), "id"), {trust})
        osc("trust", "delete", trust)

    def federation(self):
        osc = self.openstack
        osc("identity", "provider", "create", "idp", "--remote-id", "r1")
        osc("identity", "provider", "set", "idp", "--description", "d")
        self.assertEqual(osc("identity", "provider", "show", "idp")["description"], "d")
        self.assertEqual(self.names(osc("identity", "provider", "list"), "id"), {"idp"})
        rules = self.file("mapping.json", [{"local": [{"user": {"name": "{0}"}}], "remote": [{"type": "u"}]}])
        osc("mapping", "create", "m", "--rules", rules)
        osc("mapping", "set", "m", "--rules", rules)
        self.assertEqual(osc("mapping", "show", "m")["id"], "m")
        self.assertEqual(self.names(osc("mapping", "list"), "id"), {"m"})
        own = ("--identity-provider", "idp")
        osc("federation", "protocol", "create", "saml2", *own, "--mapping", "m")
        osc("federation", "protocol", "set", "saml2", *own, "--mapping", "m")
        self.assertEqual(osc("federation", "protocol", "show", "saml2", *own)["mapping"], "m")
        self.assertEqual(self.names(osc("federation", "protocol", "list", *own), "id"), {"saml2"})
        osc("federation", "protocol", "delete", "saml2", *own)
        osc("mapping", "delete", "m")
        osc("identity", "provider", "delete", "idp")
        osc("service", "provider", "create", "sp", "--auth-url", "http://a.test", "--service-provider-url", "http://b.test")
        osc("service", "provider", "set", "sp", "--disable")
        self.assertEqual(osc("service", "provider", "show", "sp")["id"], "sp")
        self.assertEqual(self.names(osc("service", "provider", "list"), "id"), {"sp"})
        osc("service", "provider", "delete", "sp")
        self.assertIn("admin", self.names(osc("federation", "project", "list")))
        osc("federation", "domain", "list")

    def tokens(self):
        osc = self.openstack
        token = osc("token", "issue")["id"]
        osc("token", "revoke", token)
        self.cloud.api("GET", "identity", "/auth/tokens", headers={"X-Subject-Token": token}, status=404)
        for words in (("user", "delete", "alice", "bob"), ("group", "delete", "g2"), ("project", "delete", "p1")):
            osc(*words)


class IdentitySettings(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.cloud = Cloud(fake=True, settings=["identity.lockout_failure_attempts=2", "identity.password_regex=.{6,}"])
        cls.cloud.up()
        cls.policy = pathlib.Path(cls.cloud.state, "policy.yaml")
        cls.user = cls.cloud.api("POST", "identity", "/users", {"user": {"name": "carol", "password": "secret one"}})["user"]["id"]
        project = cls.cloud.api("POST", "identity", "/projects", {"project": {"name": "carols"}})["project"]["id"]
        role = cls.cloud.api("GET", "identity", "/roles?name=reader")["roles"][0]["id"]
        cls.cloud.api("PUT", "identity", f"/projects/{project}/users/{cls.user}/roles/{role}")

    @classmethod
    def tearDownClass(cls):
        cls.cloud.destroy()

    def status(self, service, path, token):
        import requests
        return requests.get(self.cloud.url(service) + path, headers={"X-Auth-Token": token}, timeout=30).status_code

    def test_policy_yaml_rules_every_service_and_explain_says_why(self):
        token = self.cloud.token("carol", "secret one", "carols")
        self.assertEqual(self.status("network", "/agents", token), 403)
        self.assertEqual(self.status("compute", "/flavors", token), 200)
        before = self.cloud.martlet("policy", "explain", "carol", "identity:list_services").stdout
        self.assertIn("refused", before)
        self.assertIn("(default)", before)
        self.policy.write_text('"get_agent": "rule:project_reader_api"\n"os_compute_api:flavors": "!"\n'
                               '"identity:list_services": "role:reader"\n')
        try:
            wait("the rules are in force", lambda: self.status("network", "/agents", token) == 200, 30)
            self.assertEqual(self.status("identity", "/services", token), 200)
            after = self.cloud.martlet("policy", "explain", "carol", "identity:list_services", "--project", "carols").stdout
            self.assertIn("allowed", after)
            self.assertIn("role:reader", after)
            self.assertIn(str(self.policy), after)
            answer = json.loads(self.cloud.martlet("policy", "explain", "carol", "get_agent", "--json").stdout)
            self.assertTrue(answer["allowed"])
            wrong = self.cloud.martlet("policy", "explain", "carol", "no:such", check=False)
            self.assertIn("no policy", wrong.stderr)
            self.cloud.martlet("stop")
            self.policy.write_text('"get_agent": "rule:nothing"\n')
            refused = self.cloud.martlet("up", check=False)
            self.assertNotEqual(refused.returncode, 0)
            self.assertIn("get_agent", refused.stderr)
            self.assertIn("nothing", refused.stderr)
        finally:
            self.policy.unlink()
            self.cloud.up()
        self.assertEqual(self.status("network", "/agents", token), 403)

    def test_keys_rotate_and_tokens_live_on(self):
        token = self.cloud.token("carol", "secret one", "carols")
        blob = self.cloud.api("POST", "identity", "/credentials", {"credential": {
            "user_id": self.user, "type": "cert", "blob": "mine"}})["credential"]["id"]
        said = self.cloud.martlet("keys", "rotate").stdout
        self.assertIn("token is sealed by key", said)
        for _ in range(2):
            self.assertEqual(self.status("compute", "/servers", token), 200)
            self.assertEqual(self.cloud.api("GET", "identity", f"/credentials/{blob}")["credential"]["blob"], "mine")
            self.cloud.martlet("stop")
            self.cloud.up()
        keys = pathlib.Path(self.cloud.state, "keys")
        self.assertEqual({oct(path.stat().st_mode & 0o777) for path in keys.glob("*.key")}, {"0o600"})

    def test_settings_are_in_force_and_audited(self):
        refused = self.cloud.api("POST", "identity", "/users", {"user": {"name": "dave", "password": "short"}}, status=400)
        self.assertIn(".{6,}", refused["error"]["message"])
        user = self.cloud.api("POST", "identity", "/users", {"user": {"name": "erin", "password": "secret two"}})["user"]["id"]
        for password in ("wrong", "wrong", "secret two"):
            with self.assertRaises(AssertionError):
                self.cloud.token("erin", password, None)
        self.cloud.api("PATCH", "identity", f"/users/{user}", {"user": {"password": "secret three"}})
        self.assertTrue(self.cloud.token("erin", "secret three", None))
        carol = self.cloud.token("carol", "secret one", "carols")
        self.cloud.api("POST", "identity", "/users", {"user": {"name": "x"}}, token=carol, status=403)
        log = pathlib.Path(self.cloud.state, "log", "identity", "identity.log").read_text()
        self.assertIn(f"refused user carol ({self.user}) from 127.0.0.1: POST /v3/users: 403", log)
        self.assertRegex(log, r"user admin \(\w+\) created user \w+ from 127\.0\.0\.1")
        self.assertIn("AUDIT", log)
        self.assertIn(f"locked the account of user {user}", log)
        self.assertIn("refused a login", log)
        self.assertNotIn("secret t", log)


if __name__ == "__main__":
    sys.exit(unittest.main())
