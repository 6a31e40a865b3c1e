//! Where assignments are kept: the state file of standalone mode.
