"""Which layer, which similarity, which aspect filter, how many views and models (thesis Table 3.5, Figure 4.8)."""
