"""Pages in a browser: opened, waited for, and read."""

from selenium.common.exceptions import NoSuchElementException, StaleElementReferenceException
from selenium.webdriver import ActionChains
from selenium.webdriver.support.ui import WebDriverWait


def open_page(browser, folder):
    """Opens the report.html of a folder, and waits until its charts are drawn."""
    browser.get((folder / "report.html").as_uri())
    wait(browser, "return document.body.dataset.ready === 'true'")


def wait(browser, script):
    """Waits until a script returns true."""
    WebDriverWait(browser, 60).until(lambda browser: browser.execute_script(script))


def point_at(browser, find, holds, *, click=True):
    """Moves the mouse to what `find` finds, and clicks there, until `holds()`: charts are laid out anew while pages load."""

    def act(browser):
        try:
            chain = ActionChains(browser).move_to_element(find())
            (chain.click() if click else chain).perform()
            return holds()
        except (NoSuchElementException, StaleElementReferenceException, KeyError, StopIteration, ValueError):
            return False

    WebDriverWait(browser, 60).until(act)


def read_facts(browser):
    """The list of facts about what is chosen, by name."""
    names, values = (browser.find_elements("css selector", f"#facts {tag}") for tag in ("dt", "dd"))
    return {name.text: value.text for name, value in zip(names, values, strict=True)}
