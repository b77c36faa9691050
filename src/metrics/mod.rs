//! Pure functions from the ranks of the positives to figures with confidence intervals.
