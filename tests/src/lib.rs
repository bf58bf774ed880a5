//! Nothing to use: this package holds tests of the whole workspace (`tests/`, and `e2e/`, which `cli` runs against its binary).
