//! Scores: requests gathered into batches for one model thread.
