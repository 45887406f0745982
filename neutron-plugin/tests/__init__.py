"""Tests without a Neutron that runs: of what is pushed, when, and what is made of the answers."""
