"""A last look: a photo's crop and a rendered view, seen by one network together."""
