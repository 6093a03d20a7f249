"""What every table of decisions has in common, whatever is decided: the verdict, and the rules that were hit."""
