"""How fast calls reach a telephone, and what that costs: `make bench`, against what Asterisk does by itself.

``centre.py``  one Asterisk, five ways to a phone, any size
``load.py``    callers and phones (SIPp), and what is seen of one measurement
``reading.py`` how fast the link reads and translates
``plan.py``    what is measured, in which order, within which time
``report.py``  table, chart and the ratios
"""
