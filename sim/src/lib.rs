//! A virtual clock, a virtual network and a kernel made of maps, to try the engine in.
