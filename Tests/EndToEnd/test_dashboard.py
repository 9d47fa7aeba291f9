"""The dashboard in a real browser: the launch flow from a project to a running instance, on a cloud of fake guests, every
page under axe-core, and what is different without JavaScript.

Screenshots go to .build/test-logs/dashboard/."""
import os
import pathlib
import re
import tempfile
import time
import unittest

import requests
from selenium.webdriver.common.by import By

from cloud import Cloud
from dashboard_browser import HOSTILE, BrowserTest


class DashboardTest(BrowserTest):
    @classmethod
    def make_cloud(cls):
        cloud = Cloud(fake=True)
        cloud.up()
        return cloud

    # The flow

    def test_launch_flow(self):
        admin = pathlib.Path(self.cloud.state, "admin-password").read_text().strip()
        self.browser.get(self.base + "/sign-in")
        self.browser.delete_all_cookies()
        self.go("/sign-in")
        self.shot("sign-in")
        self.sign_in("admin", admin)
        self.administrator()
        self.sign_in("erin", "a-long-password-9")
        self.networks()
        self.keys_and_image(admin)
        self.launch()
        self.outside()
        self.other_pages()
        self.assertEqual(self.severe(), [])

    def administrator(self):
        self.submit("/identity/projects/-/create", name="engineering", description=HOSTILE)
        self.submit("/identity/users/-/create", name="erin", password="a-long-password-9", project="engineering",
                    role="member")
        self.go("/admin/quotas")
        project = self.id_of("engineering")
        self.submit(f"/admin/quotas/{project}/edit", instances="5", cores="4")
        self.assertIn("5", self.text())
        self.shot("quotas")
        self.go(f"/identity/projects/{project}")
        self.assertIn("erin", self.text())
        self.assertIn(HOSTILE, self.text())
        self.shot("project")
        self.go("/admin/logs")
        self.assertIn("signed in", self.text())
        self.shot("logs")
        for page in ("overview", "instances", "hypervisors", "flavors", "images", "networks", "routers",
                     "floating-ips", "services", "agents"):
            self.go(f"/admin/{page}")
            self.assertNotIn("could not answer", self.browser.title, page)
        self.shot("agents")

    def networks(self):
        self.go("/project/overview")
        self.shot("overview-empty")
        self.submit("/project/networks/-/create", name="web", cidr="10.20.0.0/24", subnet_name="web-v4")
        self.assertIn("10.20.0.0/24", self.text())
        self.shot("network")
        self.submit("/project/routers/-/create", name="edge", external="public")
        router = self.browser.current_url.rsplit("/", 1)[1]
        self.submit(f"/project/routers/{router}/add-interface", subnet="web-v4")
        self.shot("router")
        self.submit("/project/security-groups/-/create", name="ssh", description=HOSTILE)
        group = self.browser.current_url.rsplit("/", 1)[1]
        for service in ("SSH", "Ping"):
            self.submit(f"/project/security-groups/{group}/add-rule", service=service)
        self.assertIn("22", self.text())
        self.shot("security-group")
        # A mistake is said where it was made, and the values stay.
        self.go("/project/networks/-/create")
        self.fill(name="wrong", cidr="10.0.0.0/99").find_element(By.CSS_SELECTOR, ".buttons button").click()
        self.until(lambda: self.browser.find_elements(By.CSS_SELECTOR, ".flash.bad"))
        self.assertEqual(self.one("[name=name]").get_attribute("value"), "wrong")

    def keys_and_image(self, admin):
        self.go("/project/key-pairs")
        self.browser.find_element(By.LINK_TEXT, "Create key pair").click()
        self.until(lambda: self.browser.find_elements(By.CSS_SELECTOR, "dialog #form-panel"))
        self.fill(name="erin-key").find_element(By.CSS_SELECTOR, ".buttons button").click()
        self.until(lambda: "PRIVATE KEY" in self.browser.page_source)
        self.shot("key-pair")
        with tempfile.NamedTemporaryFile(suffix=".raw") as image:
            image.write(os.urandom(3 << 20))
            image.flush()
            self.submit("/project/images/-/create", name="tiny", format="raw", visibility="private", file=image.name)
        self.until(lambda: "tiny" in self.text() and "3 MiB" in self.text())
        self.shot("images")

    def launch(self):
        self.go("/project/launch")
        self.one("[name=name]").send_keys("web-1")
        self.shot("launch-details")
        self.until(lambda: self.step() == "Details")
        while self.step() != "Placement and metadata":
            if self.step() == "Source":
                # Nothing is chosen yet: neither the browser nor the server lets it pass.
                self.one("[data-next]").click()
                self.assertEqual(self.step(), "Source")
                self.one("[name=source]").click()
                self.shot("launch-source")
            if self.step() == "Flavor":
                self.assertIn("VCPUs left", self.text())
                row = next(r for r in self.all(".pick tr") if "m1.nano" in r.text)
                row.find_element(By.CSS_SELECTOR, "input").click()
                self.shot("launch-flavor")
            if self.step() == "Security groups":
                next(label for label in self.all("label.check") if label.text.strip() == "ssh").click()
            self.next_step()
        self.one(".wizard .primary").click()
        self.until(lambda: "/project/instances/" in self.browser.current_url)
        # The page looks again by itself.
        self.until(lambda: "ACTIVE" in self.one("#live-status").text, 30)
        self.shot("instance")
        self.browser.execute_script("window.scrollTo(0, 700)")
        self.shot("instance-more")

    def outside(self):
        server = self.browser.current_url.rsplit("/", 1)[1]
        self.submit(f"/project/instances/{server}/associate", port="10.20.0.", address="public")
        self.submit(f"/project/instances/{server}/edit", name=HOSTILE[:60])
        self.go("/project/instances")
        self.until(lambda: "↗" in self.text())
        self.one("td.act summary").click()
        self.shot("instances")
        self.go("/project/topology")
        self.until(lambda: "edge" in self.text())
        self.shot("topology")
        self.one("[data-zoom=in]").click()
        self.go("/project/floating-ips")
        self.assertIn("10.20.0.", self.text())
        self.go("/search?q=10.20.0")
        self.assertIn("Instances", self.text())
        self.shot("search")
        # Stop it by the row's check box and the bulk bar.
        self.go("/project/instances")
        self.one("[name=ids]").click()
        self.one("#bulk button[formaction$='stop']").click()
        self.until(lambda: "SHUTOFF" in self.text(), 30)

    def other_pages(self):
        self.go("/project/overview")
        self.shot("overview")
        for path in ("volumes", "volume-snapshots", "server-groups", "access", "key-pairs"):
            self.go(f"/project/{path}")
            self.assertNotIn("could not answer", self.browser.title, path)
        self.go("/identity/users")
        self.assertNotEqual(self.browser.title, "owned")
        self.browser.add_cookie({"name": "martlet_language", "value": "ko", "path": "/"})
        self.go("/project/instances")
        self.assertEqual(self.one("html").get_attribute("lang"), "ko")
        self.assertIn("인스턴스", self.text())
        self.shot("korean")
        self.browser.set_window_size(420, 860)
        self.go("/project/overview")
        self.shot("phone")
        self.browser.set_window_size(1360, 900)

    def test_every_page_is_accessible(self):
        self.sign_in_admin()
        self.accessible("overview")
        links = [link.get_attribute("href") for link in self.all("nav.side a")]
        self.assertGreater(len(links), 40)
        for link in links:
            self.browser.get(link)
            self.assertNotIn("could not answer", self.browser.title, link)
            self.accessible(link)
            forms = [a.get_attribute("href") for a in self.all(".tools a[data-dialog]")]
            details = [a.get_attribute("href") for a in self.all("#live td:first-child a, #live td.tick + td a")[:1]]
            for page in forms + details:
                self.browser.get(page)
                self.assertNotIn("could not answer", self.browser.title, page)
                self.accessible(page)
        for path in ("/settings", "/project/launch", "/search?q=public", "/nothing", "/search"):
            self.go(path)
            self.accessible(path)
        self.browser.delete_all_cookies()
        self.go("/sign-in")
        self.accessible("sign-in")
        self.browser.add_cookie({"name": "martlet_language", "value": "ko", "path": "/"})
        self.go("/sign-in")
        self.accessible("sign-in in Korean")
        self.browser.delete_all_cookies()

    def test_other_projects_are_not_there(self):
        """Ids of another project in the address: pages, forms and actions of a member find nothing."""
        cloud = self.cloud
        admin = cloud.token()
        project = cloud.api("POST", "identity", "/projects", {"project": {"name": "apart"}})["project"]["id"]
        user = cloud.api("POST", "identity", "/users", {"user": {"name": "mallory", "password": "a-long-password-9"}})["user"]["id"]
        role = next(r["id"] for r in cloud.api("GET", "identity", "/roles")["roles"] if r["name"] == "member")
        cloud.api("PUT", "identity", f"/projects/{project}/users/{user}/roles/{role}", token=admin)
        network = cloud.api("POST", "network", "/networks", {"network": {"name": "mine"}})["network"]["id"]
        router = cloud.api("POST", "network", "/routers", {"router": {"name": "mine"}})["router"]["id"]
        group = cloud.api("POST", "network", "/security-groups", {"security_group": {"name": "mine"}})["security_group"]["id"]
        image = cloud.api("POST", "image", "/images", {
            "name": "mine", "disk_format": "raw", "container_format": "bare", "visibility": "private"})["id"]
        cloud.api("PUT", "image", f"/images/{image}/file", status=204, data=os.urandom(4096),
                  headers={"Content-Type": "application/octet-stream"})
        flavor = cloud.api("GET", "compute", "/flavors")["flavors"][0]["id"]
        server = cloud.api("POST", "compute", "/servers", {"server": {
            "name": "mine", "imageRef": image, "flavorRef": flavor, "networks": "none"}})["server"]["id"]
        session = requests.Session()
        csrf = re.search('name="csrf" value="([^"]+)', session.get(self.base + "/sign-in", timeout=30).text)[1]
        session.post(self.base + "/sign-in", timeout=30,
                     data={"csrf": csrf, "user": "mallory", "password": "a-long-password-9"})
        page = session.get(self.base + "/project/instances", timeout=30)
        self.assertIn("mallory", page.text)
        self.assertNotIn(server, page.text)
        csrf = re.search('name="csrf" value="([^"]+)', page.text)[1]
        for kind, thing, action in (
                ("instances", server, "delete"), ("instances", server, "stop"), ("instances", server, "snapshot"),
                ("networks", network, "delete"), ("routers", router, "delete"), ("security-groups", group, "delete"),
                ("images", image, "delete")):
            path = f"{self.base}/project/{kind}/{thing}"
            self.assertEqual(session.get(path, timeout=30).status_code, 404, path)
            reply = session.post(f"{path}/{action}", data={"csrf": csrf, "confirmed": "yes", "name": "x"}, timeout=30)
            self.assertEqual(reply.status_code, 404, path)
        self.assertEqual(session.get(f"{self.base}/project/instances/{server}/screen", timeout=30).status_code, 404)
        events = session.get(self.base + "/events", params={"page": f"/project/instances/{server}"}, timeout=60)
        self.assertIn("event: end", events.text)
        self.assertNotIn("mine", events.text)
        self.assertEqual(session.get(self.base + "/admin/logs", timeout=30).status_code, 403)
        for service, path in (("compute", f"/servers/{server}"), ("network", f"/networks/{network}"),
                              ("network", f"/routers/{router}"), ("network", f"/security-groups/{group}")):
            cloud.api("GET", service, path)  # They are all still there.

    def test_without_javascript(self):
        """Signing in and reading need no script."""
        session = requests.Session()
        page = session.get(self.base + "/", timeout=30)
        csrf = page.text.split('name="csrf" value="')[1].split('"')[0]
        password = pathlib.Path(self.cloud.state, "admin-password").read_text().strip()
        page = session.post(self.base + "/sign-in", data={"csrf": csrf, "user": "admin", "password": password},
                            timeout=30)
        self.assertIn("Overview", page.text)
        started = time.monotonic()
        self.assertEqual(session.get(self.base + "/admin/flavors", timeout=30).status_code, 200)
        self.assertLess(time.monotonic() - started, 5)


if __name__ == "__main__":
    unittest.main()
