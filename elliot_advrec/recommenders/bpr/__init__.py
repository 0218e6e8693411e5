"""Pairwise learning (Rendle et al. 2009): one sampler, one trainer, and what its recommenders share."""
