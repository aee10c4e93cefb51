"""The texts and tables that reports are made of."""

import pytest

from softjax.reports import markdown


def test_templates_are_filled_with_values_and_with_what_is_in_them():
    text = "$name: ${numbers[0]:.1f}, ${complex.imag:.2e}, {y = k}"
    assert markdown.fill(text, name="a", numbers=[0.25], complex=1 + 2j) == "a: 0.2, 2.00e+00, {y = k}"
    with pytest.raises(KeyError, match="numbers"):
        markdown.fill(text, name="a", complex=0j)


def test_a_table_s_template_has_one_row_that_is_filled_again_and_again(tmp_path):
    template = tmp_path / "table.md"
    template.write_text("| lr | n |\n| --- | --- |\n| ${lr:.2g} | $n |\n", encoding="utf-8")
    rows = [{"lr": 0.5, "n": 1}, {"lr": 2.0, "n": 2}]
    assert markdown.render_table(template, rows) == "| lr | n |\n| --- | --- |\n| 0.5 | 1 |\n| 2 | 2 |"
