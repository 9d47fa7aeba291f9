"""The command line, without guests."""
import json
import os
import pathlib
import unittest

from cloud import MARTLET, Cloud, run


class Commands(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.cloud = Cloud(fake=True)
        cls.welcome = cls.cloud.up()

    @classmethod
    def tearDownClass(cls):
        cls.cloud.destroy()

    def test_up_says_how_to_log_in(self):
        self.assertIn("openrc --state " + self.cloud.state, self.welcome)
        self.assertIn(self.cloud.url("identity"), self.welcome)

    def test_a_second_up_leaves_it_running(self):
        before = self.cloud.pid()
        self.cloud.up()
        self.assertEqual(self.cloud.pid(), before)

    def test_status(self):
        status = json.loads(self.cloud.martlet("status", "--json").stdout)
        self.assertTrue(status["running"])
        self.assertEqual(status["pid"], self.cloud.pid())
        self.assertIn("identity", self.cloud.martlet("status").stdout)
        missing = run(MARTLET, "status", "--json", "--state", self.cloud.folder + "/none", check=False)
        self.assertEqual((missing.returncode, json.loads(missing.stdout)), (3, {"running": False}))

    def test_openrc_and_clouds_yaml_log_in(self):
        self.assertEqual(len(self.cloud.openstack("project", "list")), 2)
        folder = pathlib.Path(self.cloud.folder, "conf")
        folder.mkdir()
        (folder / "clouds.yaml").write_text(self.cloud.martlet("clouds-yaml", "--name", "mine").stdout)
        environment = {**os.environ, "OS_CLOUD": "mine", "OS_CLIENT_CONFIG_FILE": str(folder / "clouds.yaml")}
        from cloud import OPENSTACK
        found = run(OPENSTACK, "token", "issue", "-f", "json", env=environment)
        self.assertIn("project_id", found.stdout)

    def test_log_levels_switch_while_it_runs(self):
        log = pathlib.Path(self.cloud.state, "log", "image", "image.log")
        self.cloud.martlet("log", "set", "image", "debug")
        self.cloud.api("GET", "image", "/images")
        self.assertIn(" DEBUG image ", log.read_text())
        self.cloud.martlet("log", "set", "image", "info")
        size = log.stat().st_size
        self.cloud.api("GET", "image", "/images")
        self.assertEqual(log.stat().st_size, size)
        self.assertNotEqual(self.cloud.martlet("log", "set", "image", "loud", check=False).returncode, 0)
        self.assertNotEqual(self.cloud.martlet("log", "set", "nothing", "debug", check=False).returncode, 0)

    def test_config_explains_every_setting(self):
        shown = self.cloud.martlet("config", "show", "--explain").stdout
        self.assertIn(f"port_offset: {self.cloud.offset}", shown)
        self.assertIn("default '0'", shown)

    def test_doctor(self):
        result = self.cloud.martlet("doctor", "--json")
        checks = {entry["check"]: entry["verdict"] for entry in json.loads(result.stdout)}
        self.assertEqual(checks["cloud"], "ok")
        self.assertNotIn("failed", checks.values())

    def test_secrets_are_their_owners(self):
        for path in pathlib.Path(self.cloud.state).rglob("*"):
            if path.is_file() and (path.name == "admin-password" or path.parent.name == "keys"):
                self.assertEqual(path.stat().st_mode & 0o077, 0, path)
        self.assertEqual(pathlib.Path(self.cloud.state).stat().st_mode & 0o077, 0)
        password = pathlib.Path(self.cloud.state, "admin-password").read_text().strip()
        for path in pathlib.Path(self.cloud.state, "log").rglob("*.log"):
            self.assertNotIn(password, path.read_text(errors="replace"), path)

    def test_a_start_that_cannot_work_says_why(self):
        second = Cloud(fake=True)
        second.offset = self.cloud.offset
        result = run(MARTLET, "up", "--fake", "--state", second.state, "--port-offset", second.offset, check=False)
        self.assertNotEqual(result.returncode, 0)
        self.assertIn("cannot listen", result.stderr)
        result = run(MARTLET, "up", "--fake", "--state", second.state, "--set", "api.colour=red", check=False)
        self.assertIn("There is no setting 'api.colour'", result.stderr)
        second.destroy()

    def test_routes_lists_every_service(self):
        services = {line.split("\t")[0] for line in run(MARTLET, "routes").stdout.splitlines()[1:]}
        self.assertEqual(services, {"identity", "image", "compute", "placement", "network", "block-storage"})


class Lifecycle(unittest.TestCase):
    def test_what_was_made_is_there_after_a_restart(self):
        cloud = Cloud(fake=True)
        cloud.up()
        project = cloud.openstack("project", "create", "kept")["id"]
        token = cloud.token()
        cloud.martlet("stop")
        self.assertNotEqual(cloud.martlet("status", check=False).returncode, 0)
        cloud.up()
        self.assertEqual(cloud.openstack("project", "show", "kept")["id"], project)
        cloud.api("GET", "identity", "/projects", token=token)
        cloud.destroy()
        self.assertFalse(pathlib.Path(cloud.state).exists())


if __name__ == "__main__":
    unittest.main(verbosity=2)
