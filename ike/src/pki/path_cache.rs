/// Chains that were verified, so that the next verification of the same costs no public-key operation. Bounded.
#[derive(Debug, Default)]
pub struct PathCache {}
