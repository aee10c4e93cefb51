"""What the README shows runs as printed."""

import re
from pathlib import Path

import pytest
from support.processes import run

README = (Path(__file__).parents[2] / "README.md").read_text()
BLOCKS = re.findall(r"```python\n(.*?)```", README, re.DOTALL)


@pytest.mark.slow
@pytest.mark.parametrize("block", BLOCKS, ids=lambda block: block.split("\n")[0])
def test_the_examples_run(block, tmp_path):
    done = run("-c", block, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    if "check_gradient" in block:
        shown = re.search(r"```\n\n((?:    .*\n)+)\nIn a test", README)[1]
        assert done.stdout.startswith(re.sub(r"^    ", "", shown, flags=re.MULTILINE))
    if "cs231n.grade" in block:
        shown = re.search(r"cs231n\.grade\(.*\)\n```\n\n((?:    .*\n)+)", README)[1]
        assert done.stdout == re.sub(r"^    ", "", shown, flags=re.MULTILINE)


def test_pictures_and_links_lead_somewhere():
    for target in re.findall(r"\]\(((?!http)[^)]+)\)", README):
        assert (Path(__file__).parents[2] / target).exists(), target


def test_the_rooms_of_the_layout_exist():
    table = README[README.index("| room |") :]
    package = Path(__file__).parents[2] / "softjax"
    for cell in re.findall(r"^\| (`.*?`) \|", table, re.MULTILINE):
        for name in re.findall(r"`(\w+)/?`", cell):
            assert (package / f"{name}.py").is_file() or (package / name).is_dir(), name
