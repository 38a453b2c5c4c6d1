"""Reports: figures with their definitions, as documents for people and as data for programs."""
