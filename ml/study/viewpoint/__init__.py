"""Predicting the viewpoint directly (thesis chapter 5): five formulations on one backbone, compared."""
