//! What became of a sample, in numbers, and who survived.

use std::collections::BTreeMap;
use std::fmt;
use std::fmt::Write as _;

use super::kept::{Fate, Kept};
use super::listing::Mutant;

/// A sample in numbers.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Summary {
    drawn: usize,
    not_viable: usize,
    by_lives: BTreeMap<String, usize>,
    by_scripts: usize,
    survived: usize,
}

/// Counts.
pub(super) fn of(sample: &[Mutant], kept: &Kept) -> Summary {
    let mut summary = Summary::default();
    for fate in sample.iter().filter_map(|mutant| kept.fate(mutant)) {
        summary.count(fate);
    }
    summary
}

impl Summary {
    fn count(&mut self, fate: &Fate) {
        self.drawn += 1;
        match fate {
            Fate::NotViable => self.not_viable += 1,
            Fate::Killed { by, .. } => *self.by_lives.entry(by.clone()).or_default() += 1,
            Fate::KilledByScript { .. } => self.by_scripts += 1,
            Fate::Survived { .. } => self.survived += 1,
        }
    }

    /// How many of a hundred that can be built were found.
    pub(super) fn percent(&self) -> usize {
        let viable = self.drawn - self.not_viable;
        match viable {
            0 => 100,
            viable => (viable - self.survived) * 100 / viable,
        }
    }

    /// Each that survived, with what was changed.
    pub(super) fn survivors(&self, sample: &[Mutant], kept: &Kept) -> String {
        let survived = |mutant: &&Mutant| matches!(kept.fate(mutant), Some(Fate::Survived { .. }));
        let mut survivors: Vec<_> = sample.iter().filter(survived).collect();
        survivors.sort_by(|a, b| (&a.file, &a.name).cmp(&(&b.file, &b.name)));
        let mut text = format!("{self}\n");
        for mutant in survivors {
            let _ = write!(text, "\n{}\n{}", mutant.name, mutant.diff);
        }
        text
    }
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let by_lives: usize = self.by_lives.values().sum();
        let mut line = |count: usize, what: &str| writeln!(f, "{count:>6}  {what}");
        line(self.drawn, "drawn")?;
        line(self.not_viable, "not viable: they do not compile")?;
        line(by_lives, "killed by lives, namely by")?;
        let mut most: Vec<_> = self.by_lives.iter().collect();
        most.sort_by_key(|(_, count)| std::cmp::Reverse(**count));
        for (by, count) in most {
            line(*count, &format!("    {by}"))?;
        }
        line(self.by_scripts, "killed by scripted simulations alone")?;
        line(self.survived, "survived")?;
        write!(f, "{:>5}%  of the viable ones killed", self.percent())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_does_not_compile_counts_neither_way() {
        let mut summary = Summary::default();
        assert_eq!(summary.percent(), 100);
        summary.count(&Fate::NotViable);
        summary.count(&Fate::killed("loss", 3));
        summary.count(&Fate::killed("hanging", 0));
        summary.count(&Fate::Survived { scripted: false });
        assert_eq!(summary.percent(), 66);
    }
}
