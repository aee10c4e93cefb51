"""A trained classifier: predictions, its file, and what other libraries take."""
