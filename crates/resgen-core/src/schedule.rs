//! Schedules: how many tokens stay masked as a function of time.
