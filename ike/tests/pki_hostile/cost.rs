//! What the most expensive chains cost that an authority of bad will can make. Limits are generous, for slow machines and
//! debug builds; without bounds these would take minutes or more.

use std::time::{Duration, Instant};

use ike::config::Revocation::Strict;

use super::support::*;

const PATIENCE: Duration = Duration::from_secs(20);

/// An authority that names `count` hosts and permits them.
fn wordy(count: usize) -> Draft {
    let names: Vec<_> = (0..count).map(|n| format!("dns:h{n:x}")).collect();
    let names: Vec<_> = names.iter().map(String::as_str).collect();
    Draft::authority()
        .names(&names)
        .constraints(&names, &["dns:none"])
}

/// Two certificates for each authority of a ladder: each of thousands of paths has right signatures and permits all names,
/// and at its end the host may not sign.
#[test]
fn many_names_under_many_constraints_on_many_paths() {
    let begun = Instant::now();
    let trust = trusting(&[Signer::of("step 12").root()]);
    for count in [40, 350] {
        let step = |step: u8| Signer::of(&format!("step {step}"));
        let host = wordy(count)
            .usage(&[2])
            .extension("2.5.29.19", true, &[0x30, 0]);
        let mut ladder = vec![host.issue(&Signer::of("host"), &Signer::with_key("step 0", "0 0"))];
        for low in 0..12 {
            // Each rung is there with two keys, and both are signed by both of the next one.
            for key in 0..2 {
                for above in 0..2 {
                    let subject = Signer::with_key(&step(low).name[14..], &format!("{low} {key}"));
                    let issuer = match low {
                        11 => step(12),
                        _ => Signer::with_key(
                            &step(low + 1).name[14..],
                            &format!("{} {above}", low + 1),
                        ),
                    };
                    if low < 11 || above == 0 {
                        ladder.push(wordy(count).serial(above + 1).issue(&subject, &issuer));
                    }
                }
            }
        }
        let bytes: usize = ladder.iter().map(Vec::len).sum();
        let (begun, result) = (Instant::now(), verify(&trust, &ladder, "h0"));
        let failure = result.expect_err("refused");
        println!("{bytes} bytes: {:?} {failure}", begun.elapsed());
    }
    assert!(begun.elapsed() < PATIENCE, "{:?}", begun.elapsed());
}

#[test]
fn a_list_of_eight_megabytes_with_the_most_entries_and_extensions() {
    let scene = Scene::of(Draft::host(HOST));
    let begun = Instant::now();
    let mut list = ListDraft::of(&[]);
    list.serials = (0..100_000_u32)
        .map(|n| [&[1][..], &n.to_be_bytes()].concat())
        .collect();
    let many: Vec<u8> = (0..3_u8)
        .flat_map(|n| extension(&format!("1.2.3.{n}"), false, &[5, 0]))
        .collect();
    list.entry_extensions = many;
    let list = list.issue(&scene.root);
    println!("{} bytes", list.len());
    for _ in 0..3 {
        let outcome = scene.check(Strict, std::slice::from_ref(&list), &[], &[]);
        assert_eq!(word(&outcome), "clear");
    }
    println!("{:?}", begun.elapsed());
    assert!(begun.elapsed() < PATIENCE, "{:?}", begun.elapsed());
}
