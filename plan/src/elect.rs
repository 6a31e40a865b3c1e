//! One owner among candidate nodes, for pools in L2 mode.
