//! The driver while parts of the node are restarted; these tests run one after the other.
