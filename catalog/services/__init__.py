"""Everything that changes something. A service owns its transaction and may run twice."""
