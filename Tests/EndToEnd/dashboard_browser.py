"""A headless Chromium at a cloud's dashboard: what a person does there, and what axe-core says of a page."""
import importlib.util
import os
import pathlib
import unittest

from selenium import webdriver
from selenium.common.exceptions import StaleElementReferenceException
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.common.by import By
from selenium.webdriver.support.ui import Select, WebDriverWait

from cloud import ROOT

SHOTS = pathlib.Path(os.environ.get("SHOTS", ROOT / ".build" / "test-logs" / "dashboard"))
HOSTILE = "<img src=x onerror=document.title='owned'>\"'{{{csrf}}}"
# axe-playwright-python brings the newest axe-core; only its script is used.
AXE = pathlib.Path(importlib.util.find_spec("axe_playwright_python").origin).parent / "axe.min.js"


class BrowserTest(unittest.TestCase):
    """Tests of one cloud with one browser; `cls.cloud` is made by `make_cloud`."""

    @classmethod
    def make_cloud(cls):
        raise NotImplementedError

    @classmethod
    def setUpClass(cls):
        cls.cloud = cls.make_cloud()
        cls.base = f"http://127.0.0.1:{8443 + cls.cloud.offset}"
        options = webdriver.ChromeOptions()
        options.binary_location = "/usr/bin/chromium"
        for flag in ("--headless=new", "--no-sandbox", "--disable-gpu", "--window-size=1360,900", "--lang=en"):
            options.add_argument(flag)
        options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
        cls.browser = webdriver.Chrome(options=options, service=Service("/usr/bin/chromedriver"))
        cls.browser.set_page_load_timeout(60)
        cls.browser.set_script_timeout(60)
        SHOTS.mkdir(parents=True, exist_ok=True)

    @classmethod
    def tearDownClass(cls):
        cls.browser.quit()
        cls.cloud.destroy()

    # What a person does

    def until(self, condition, seconds=30):
        wait = WebDriverWait(self.browser, seconds, 0.1, ignored_exceptions=[StaleElementReferenceException])
        return wait.until(lambda _: condition())

    def one(self, selector):
        return self.browser.find_element(By.CSS_SELECTOR, selector)

    def all(self, selector):
        return self.browser.find_elements(By.CSS_SELECTOR, selector)

    def go(self, path):
        self.browser.get(self.base + path)

    def text(self):
        return self.one("main").text

    def theme(self, name):
        self.browser.execute_script(f"document.documentElement.dataset.theme = '{name}'")

    def shot(self, name):
        for theme in ("light", "dark"):
            self.theme(theme)
            self.browser.save_screenshot(str(SHOTS / f"{name}-{theme}.png"))

    def sign_in(self, user, password):
        self.browser.delete_all_cookies()
        self.go("/sign-in")
        self.one("[name=user]").send_keys(user)
        self.one("[name=password]").send_keys(password)
        self.one(".sign-in button.primary").click()
        self.until(lambda: "/project/overview" in self.browser.current_url)

    def sign_in_admin(self):
        self.sign_in("admin", pathlib.Path(self.cloud.state, "admin-password").read_text().strip())

    def fill(self, **values):
        form = self.one("#form-panel form")
        for name, value in values.items():
            field = form.find_elements(By.NAME, name)[0]
            if field.tag_name == "select":
                option = next(o for o in Select(field).options if value in o.text)
                Select(field).select_by_visible_text(option.text)
            elif field.get_attribute("type") == "checkbox":
                if field.is_selected() != value:
                    field.click()
            elif field.get_attribute("type") == "file":
                field.send_keys(value)
            else:
                field.clear()
                field.send_keys(value)
        return form

    def submit(self, path, **values):
        """Opens the form of an action, fills it in and sends it; returns when the next page is there."""
        self.go(path)
        form = self.fill(**values)
        form.find_element(By.CSS_SELECTOR, ".buttons button").click()
        self.until(lambda: path.split("?")[0] not in self.browser.current_url or self.all(".flash.bad"))
        mistakes = [line.text for line in self.all(".flash.bad")]
        self.assertEqual(mistakes, [], path)

    def id_of(self, title):
        self.until(lambda: title in self.text())
        return self.browser.find_element(By.LINK_TEXT, title).get_attribute("href").rsplit("/", 1)[1]

    # The wizard

    def step(self):
        return self.one("[data-step]:not([hidden]) h2").text

    def next_step(self):
        """Goes on; a doubt that the server has is read and passed by."""
        before = self.step()
        self.one("[data-next]").click()
        self.until(lambda: self.step() != before or self.all(".problems"))
        if self.step() == before:
            self.assertEqual([line.text for line in self.all(".problems .bad")], [], before)
            self.one("[data-next]").click()
            self.until(lambda: self.step() != before)

    # What a page must be

    def severe(self):
        """Errors in the browser's console; refused requests that a test provokes are none."""
        return [line for line in self.browser.get_log("browser")
                if line["level"] == "SEVERE" and "status of 4" not in line["message"]]

    def accessible(self, name):
        """Fails when axe-core finds anything serious or critical on the page, in light or dark."""
        found = []
        self.browser.execute_script(AXE.read_text())
        # What is dark differs in its colours only.
        for theme, options in (("light", {}), ("dark", {"runOnly": ["color-contrast", "link-in-text-block"]})):
            self.theme(theme)
            result = self.browser.execute_async_script(
                "const [options, done] = arguments; axe.run(document, { resultTypes: ['violations'], ...options }).then("
                "(result) => done(result.violations), (error) => done([{ impact: 'critical', id: String(error), nodes: [] }]))",
                options)
            for problem in result:
                if problem["impact"] in ("serious", "critical"):
                    where = [node["html"][:200] + " " + node.get("failureSummary", "")[:200] for node in problem["nodes"][:3]]
                    found.append(f"{theme}: {problem['id']}: {where}")
        self.assertEqual(found, [], name)
