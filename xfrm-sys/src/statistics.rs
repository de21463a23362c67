//! What XFRM has dropped and why: `/proc/net/xfrm_stat` (the kernel's `Documentation/networking/xfrm/xfrm_proc.rst`).

use std::collections::BTreeMap;
use std::io;

/// Counters by the kernel's names, such as `XfrmInNoStates`.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Statistics(BTreeMap<String, u64>);

impl Statistics {
    /// Reads the counters of the calling thread's network namespace.
    ///
    /// # Errors
    /// `NotFound` where the kernel keeps none (CONFIG_XFRM_STATISTICS).
    pub fn read() -> io::Result<Self> {
        std::fs::read_to_string("/proc/thread-self/net/xfrm_stat").map(|text| Self::parse(&text))
    }

    /// Reads lines of a name and a number; what is no such line is passed over.
    pub fn parse(text: &str) -> Self {
        let line = |line: &str| {
            let (name, value) = line.split_once(char::is_whitespace)?;
            Some((name.to_owned(), value.trim().parse().ok()?))
        };
        Self(text.lines().filter_map(line).collect())
    }

    /// One counter; `None` if this kernel has none of that name.
    pub fn get(&self, name: &str) -> Option<u64> {
        self.0.get(name).copied()
    }

    /// All counters in the order of their names.
    pub fn iter(&self) -> impl Iterator<Item = (&str, u64)> {
        self.0.iter().map(|(name, &value)| (name.as_str(), value))
    }

    /// What has grown since `earlier`, and by how much.
    pub fn since(&self, earlier: &Self) -> BTreeMap<&str, u64> {
        self.iter()
            .map(|(name, value)| (name, value.saturating_sub(earlier.get(name).unwrap_or(0))))
            .filter(|&(_, growth)| growth > 0)
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counters_are_read_by_name_and_oddities_passed_over() {
        let text = "XfrmInError             \t0\nXfrmInNoStates\t 7\nodd\nXfrmOdd -1\n\n";
        let now = Statistics::parse(text);
        assert_eq!(now.get("XfrmInError"), Some(0));
        assert_eq!(now.get("XfrmInNoStates"), Some(7));
        assert_eq!(now.iter().count(), 2);
        let before = Statistics::parse("XfrmInNoStates 5\n");
        assert_eq!(now.since(&before), BTreeMap::from([("XfrmInNoStates", 2)]));
    }
}
