//! Members on a virtual clock, in a network that loses, delays, cuts and repeats.

mod facts;
mod failures;
mod hostile;
mod lab;
mod quorum;
mod safety;
mod udp;
