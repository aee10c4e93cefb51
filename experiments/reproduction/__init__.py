"""What `reproduce_accounts.py` is made of, from the published figures (CSV) to the report (Markdown)."""
