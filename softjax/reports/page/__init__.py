"""The interactive page of a report: its data, its charts, and one HTML file with both."""
