"""The sections of the report, one file and one template each. Each writes its text and draws its pictures."""
