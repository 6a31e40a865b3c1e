//! What one node announces to which BGP peer, with the reason for each Service it does not.
