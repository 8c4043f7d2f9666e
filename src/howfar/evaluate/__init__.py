"""How good a network, a join or a statistic is on a data set, measured and reported.

One module a task (`depth`, `detection`, `objects`, `segmentation`): a judge measures one sample at
a time and keeps sums; `frames` walks the data set and counts what failed or has no truth; `report`
and `tables` print, `plots` and `gallery` draw, `compare` says whether a difference is chance.
"""
