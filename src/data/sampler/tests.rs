use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;

use super::pk::Rule;
use super::*;

fn ctl(classes: usize, per_class: usize) -> SamplerSection {
    SamplerSection::Pk {
        classes,
        per_class,
        small_classes: SmallClasses::Pad,
        remainder: Remainder::Pad,
        drop_singletons: true,
    }
}

fn parent(classes: usize, per_class: usize) -> SamplerSection {
    SamplerSection::Pk {
        classes,
        per_class,
        small_classes: SmallClasses::Repeat,
        remainder: Remainder::Drop,
        drop_singletons: false,
    }
}

fn labels_of(counts: &[usize]) -> Vec<i32> {
    counts
        .iter()
        .enumerate()
        .flat_map(|(label, &n)| vec![label as i32; n])
        .collect()
}

#[test]
fn slots_per_identity_are_the_cards() {
    let rule = |remainder, drop_singletons| Rule {
        classes: 1,
        per_class: 4,
        small_classes: SmallClasses::Pad,
        remainder,
        drop_singletons,
    };
    let pad = rule(Remainder::Pad, true);
    let slots: Vec<usize> = (0..=13).map(|n| pad.slots(n)).collect();
    // ceil(n' / 4), n' = n − 1 if n mod 4 == 1.
    assert_eq!(slots, [0, 0, 1, 1, 1, 1, 2, 2, 2, 2, 3, 3, 3, 3]);
    let drop = rule(Remainder::Drop, false);
    let slots: Vec<usize> = (0..=13).map(|n| drop.slots(n)).collect();
    assert_eq!(slots, [0, 1, 1, 1, 1, 1, 1, 1, 2, 2, 2, 2, 3, 3]);
}

#[test]
fn small_classes_are_padded_or_repeated() {
    let labels = labels_of(&[2, 4, 6, 1]);
    let plan = ctl(3, 4).plan(1, 0, &labels).unwrap();
    assert_eq!(plan.batches.len(), 1);
    for group in plan.batches[0].chunks(4) {
        let label = labels[group[0].row];
        assert!(group.iter().all(|slot| labels[slot.row] == label));
        let real = group.iter().filter(|slot| slot.real).count();
        match label {
            0 => assert_eq!(real, 2),
            1 => assert_eq!(real, 4),
            // 6 = 4 + 2, either of which may be drawn first.
            2 => assert!(real == 2 || real == 4),
            _ => panic!("the singleton was drawn"),
        }
    }
    let plan = parent(4, 4).plan(1, 0, &labels).unwrap();
    assert_eq!(plan.batches.len(), 1);
    assert!(plan.batches[0].iter().all(|slot| slot.real));
    let of_single = plan.batches[0].iter().filter(|slot| slot.row == 12).count();
    assert_eq!(of_single, 4);
}

#[test]
fn too_few_classes_name_both_numbers() {
    let words = |section: SamplerSection| {
        section
            .plan(1, 0, &labels_of(&[4, 4, 1]))
            .unwrap_err()
            .to_string()
    };
    assert_eq!(
        words(ctl(3, 4)),
        "the sampler takes 3 classes per batch, but only 2 of 3 classes can be drawn from \
         (classes with a single image are left out: `drop_singletons`)"
    );
    assert!(words(parent(9, 4)).contains("9 classes per batch, but only 3 of 3"));
    assert!(words(ctl(0, 4)).contains("`classes` is 0"));
    assert!(words(SamplerSection::Random { batch: 10 }).contains("10 rows per batch, but there are only 9"));
}

#[test]
fn an_epoch_of_market_like_data_has_about_180_batches() {
    // 751 identities and 12,936 images, as in Market-1501: between 2 and 72 images each, most with few (a long tail).
    let mut stream = crate::random::stream(11, "test", &[]);
    let mut counts: Vec<usize> = (0..751)
        .map(|_| ((2.63 + 0.68 * stream.normal()).exp() as usize).clamp(2, 72))
        .collect();
    let mut total: usize = counts.iter().sum();
    while total != 12_936 {
        let at = stream.below(counts.len());
        if total < 12_936 && counts[at] < 72 {
            counts[at] += 1;
            total += 1;
        } else if total > 12_936 && counts[at] > 2 {
            counts[at] -= 1;
            total -= 1;
        }
    }
    let labels = labels_of(&counts);
    let batches = |section: &SamplerSection, epoch| section.plan(3, epoch, &labels).unwrap().batches.len();
    let (ctl, parent) = (ctl(16, 4), parent(16, 4));
    for epoch in 0..3 {
        let (a, b) = (batches(&ctl, epoch), batches(&parent, epoch));
        println!("epoch {epoch}: {a} batches padded, {b} batches with the remainder dropped");
        // At most 751·(n̄/4 − 0.375)/16 = 184.5 where the remainder is dropped (more by the small identities), 751·(n̄/4 + 0.125)/16 = 208
        // where it is padded, n̄ = 12,936/751; less what is left when fewer than 16 identities remain.
        assert!((170..=190).contains(&b), "{b}");
        assert!((190..=212).contains(&a), "{a}");
    }
}

#[test]
fn random_and_sequential_cover_the_rows() {
    let labels = vec![0; 10];
    let random = SamplerSection::Random { batch: 4 };
    let plan = random.plan(1, 0, &labels).unwrap();
    assert_eq!(plan.batches.len(), 2);
    let rows: BTreeSet<usize> = plan.batches.iter().flatten().map(|s| s.row).collect();
    assert_eq!(rows.len(), 8);
    assert_ne!(plan, random.plan(1, 1, &labels).unwrap());
    assert_ne!(plan, random.plan(2, 0, &labels).unwrap());

    let plan = SamplerSection::Sequential { batch: 4 }
        .plan(1, 0, &labels)
        .unwrap();
    assert_eq!(plan.batches.len(), 3);
    let real: Vec<usize> = plan
        .batches
        .iter()
        .flatten()
        .filter(|s| s.real)
        .map(|s| s.row)
        .collect();
    assert_eq!(real, (0..10).collect::<Vec<_>>());
    assert_eq!(plan.batches[2].len(), 4);
    assert!(
        SamplerSection::Sequential { batch: 4 }
            .plan(1, 0, &[])
            .unwrap()
            .batches
            .is_empty()
    );
}

#[test]
fn a_walk_resumed_at_any_cursor_goes_on_the_same() {
    let labels = labels_of(&[5, 9, 7, 4, 3, 8]);
    let section = ctl(2, 4);
    let start = Cursor::default();
    let all: Vec<BatchJob> = section.walk(7, labels.clone(), start).unwrap().take(20).collect();
    assert!(all.last().unwrap().cursor.epoch >= 2);
    for (i, job) in all.iter().enumerate() {
        let resumed: Vec<BatchJob> = section
            .walk(7, labels.clone(), job.cursor)
            .unwrap()
            .take(20 - i)
            .collect();
        assert_eq!(resumed, all[i..]);
        if let Some(next) = all.get(i + 1) {
            assert_eq!(job.cursor.next(job.batches), next.cursor);
        }
    }
}

#[test]
fn recipes_read_and_unknown_keys_are_refused() {
    let read = |text: &str| toml::from_str::<SamplerSection>(text);
    assert_eq!(
        read("kind = 'pk'\nclasses = 16\nper_class = 4").unwrap(),
        ctl(16, 4)
    );
    assert_eq!(
        read("kind = 'pk'\nclasses = 16\nper_class = 4\nsmall_classes = 'repeat'\nremainder = 'drop'\ndrop_singletons = false").unwrap(),
        parent(16, 4)
    );
    assert!(
        read("kind = 'random'\nbatch = 4\nshuffle = true")
            .unwrap_err()
            .to_string()
            .contains("shuffle")
    );
}

proptest! {
    #[test]
    fn pk_keeps_its_promises(
        counts in proptest::collection::vec(0usize..14, 1..30),
        classes in 1usize..6,
        per_class in 1usize..6,
        repeat: bool,
        drop_remainder: bool,
        drop_singletons: bool,
        seed: u64,
        epoch in 0u64..5,
    ) {
        let section = SamplerSection::Pk {
            classes,
            per_class,
            small_classes: if repeat { SmallClasses::Repeat } else { SmallClasses::Pad },
            remainder: if drop_remainder { Remainder::Drop } else { Remainder::Pad },
            drop_singletons,
        };
        let labels = labels_of(&counts);
        let Ok(plan) = section.plan(seed, epoch, &labels) else {
            let usable = counts.iter().filter(|&&n| n > 1 || (n == 1 && (!drop_singletons || per_class == 1))).count();
            prop_assert!(usable < classes);
            return Ok(());
        };
        prop_assert_eq!(&plan, &section.plan(seed, epoch, &labels).unwrap());
        let mut used: BTreeMap<usize, usize> = BTreeMap::new();
        let mut drawn: BTreeMap<i32, usize> = BTreeMap::new();
        for batch in &plan.batches {
            prop_assert_eq!(batch.len(), classes * per_class);
            let identities: BTreeSet<i32> = batch.iter().map(|s| labels[s.row]).collect();
            prop_assert_eq!(identities.len(), classes);
            for group in batch.chunks(per_class) {
                let label = labels[group[0].row];
                *drawn.entry(label).or_default() += 1;
                prop_assert!(group.iter().all(|s| labels[s.row] == label));
                let real = group.iter().filter(|s| s.real).count();
                let images = counts[label as usize];
                prop_assert!(real >= 1);
                // A lone image is drawn only where the identity has no other.
                prop_assert!(real >= 2 || per_class == 1 || images == 1);
                if repeat && images < per_class {
                    prop_assert_eq!(real, per_class);
                } else {
                    for slot in group.iter().filter(|s| s.real) {
                        *used.entry(slot.row).or_default() += 1;
                    }
                }
            }
        }
        prop_assert!(used.values().all(|&times| times == 1));
        // It ends only when fewer than P identities have slots left.
        let rule = Rule {
            classes,
            per_class,
            small_classes: if repeat { SmallClasses::Repeat } else { SmallClasses::Pad },
            remainder: if drop_remainder { Remainder::Drop } else { Remainder::Pad },
            drop_singletons,
        };
        let left = counts.iter().enumerate().filter(|&(label, &n)| {
            rule.slots(n) > drawn.get(&(label as i32)).copied().unwrap_or(0)
        }).count();
        prop_assert!(left < classes);
    }
}
