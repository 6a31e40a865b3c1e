//! Adj-RIB-Out: desired set, diff, UPDATEs
