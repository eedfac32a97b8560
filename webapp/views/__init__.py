"""Pages and files: each translates HTTP into a selector."""
