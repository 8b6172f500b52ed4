"""Projections to the vocabulary: the logit lens of a state, and what an update promotes and suppresses."""
