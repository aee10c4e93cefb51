"""Many training runs at once: lr × reg × seed."""
