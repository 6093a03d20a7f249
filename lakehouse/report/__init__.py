"""The funnel's numbers and the HTML page that shows them. Nothing here writes to the lake."""
