//! Adj-RIB-In: counts and limits
