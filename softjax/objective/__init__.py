"""What is minimized: losses, penalties, their sum, and its derivatives by hand."""
