"""Folders of results: README, tables, pictures, how they were made."""
