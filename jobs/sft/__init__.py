"""Instruction data: conversations from files to packed sequences whose loss counts answers alone."""
