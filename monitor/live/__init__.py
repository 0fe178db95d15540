"""The live page: what operators watch, computed once a second for all viewers and pushed to them."""
