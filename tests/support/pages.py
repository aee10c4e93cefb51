"""Pages in a browser: opened, waited for, and read."""

from selenium.webdriver.support.ui import WebDriverWait


def open_page(browser, folder):
    """Opens the report.html of a folder, and waits until its charts are drawn."""
    browser.get((folder / "report.html").as_uri())
    wait(browser, "return document.body.dataset.ready === 'true'")


def wait(browser, script):
    """Waits until a script returns true."""
    WebDriverWait(browser, 60).until(lambda browser: browser.execute_script(script))


def read_facts(browser):
    """The list of facts about what is chosen, by name."""
    names, values = (browser.find_elements("css selector", f"#facts {tag}") for tag in ("dt", "dd"))
    return {name.text: value.text for name, value in zip(names, values, strict=True)}
