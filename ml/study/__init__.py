"""Studies: questions about the method, answered as tables."""
