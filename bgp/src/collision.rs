//! Connection collision (RFC 4271 6.8)
