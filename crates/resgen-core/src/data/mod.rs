//! Datasets: picture folders, loaders, and the cache of codes.
