"""Evaluation: problems, prompts, what is taken from an answer, execution in the sandbox, and scores."""
