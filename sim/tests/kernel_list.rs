//! The fake kernel does what the list says. That the real one does too, the lab shows.

use std::collections::BTreeSet;

use sim::kernel_list::{Fake, run, scenarios};

#[test]
fn the_fake_kernel_does_as_the_list_says() {
    let failed: Vec<_> = scenarios()
        .into_iter()
        .filter_map(|scenario| {
            let name = scenario.name;
            let failed = run(scenario, &mut Fake::default()).err()?;
            Some(format!("{name}: {failed}"))
        })
        .collect();
    assert!(failed.is_empty(), "{}", failed.join("\n\n"));
}

#[test]
fn the_scenarios_have_names_of_their_own() {
    let mut names = BTreeSet::new();
    for scenario in scenarios() {
        assert!(names.insert(scenario.name), "{} twice", scenario.name);
    }
}
