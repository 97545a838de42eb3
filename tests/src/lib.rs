//! Black-box tests over the real binary and the built plugins.
