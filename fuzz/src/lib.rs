//! Fuzz targets, which also run as ordinary tests.
