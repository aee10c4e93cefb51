"""The parts of `reproduce_accounts.py`, from the published figures (CSV) to the report (Markdown)."""
