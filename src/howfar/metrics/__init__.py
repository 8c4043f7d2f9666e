"""How good a prediction is: sums and counts in NumPy that can be added, so shards change nothing.

A metric without a value (nothing to average, 0/0) is NaN unless a function says otherwise.
"""
