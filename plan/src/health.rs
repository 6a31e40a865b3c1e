//! A verdict for each node, with its reason: the only place that judges nodes.
