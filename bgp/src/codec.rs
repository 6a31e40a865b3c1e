//! Framing (RFC 4271 §4.1): one message out of a stream of octets, and back.
