"""The sweep: many training runs at once, lr × reg × seed."""
