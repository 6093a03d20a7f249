"""The code-related web: pages in, text with its code intact, recalled round by round."""
