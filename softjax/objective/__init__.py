"""What is minimized: losses, penalties, their sum, and the derivatives of the sum, derived by hand."""
