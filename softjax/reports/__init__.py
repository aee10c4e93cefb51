"""Reports: folders with a README, tables, pictures, and the record of how they were made."""
