use std::convert::Infallible;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::*;

#[derive(Debug, thiserror::Error)]
#[error("item {0} is broken")]
struct Broken(usize);

#[test]
fn items_come_in_order_whatever_the_number_of_threads() {
    for workers in [0, 1, 2, 7] {
        let make = |_: &mut (), job: usize| {
            // Later items are done sooner.
            std::thread::sleep(Duration::from_micros(((job * 7919) % 13) as u64 * 100));
            Ok::<_, Infallible>(job * 10)
        };
        let loader = Loader::spawn(workers, 5, 0..60usize, || (), make).unwrap();
        let items: Vec<usize> = loader.map(Result::unwrap).collect();
        assert_eq!(items, (0..60).map(|i| i * 10).collect::<Vec<_>>());
    }
}

#[test]
fn no_more_than_depth_items_are_made_ahead() {
    let started = Arc::new(AtomicUsize::new(0));
    let count = started.clone();
    let make = move |_: &mut (), job: usize| {
        count.fetch_add(1, Ordering::SeqCst);
        Ok::<_, Infallible>(job)
    };
    let mut loader = Loader::spawn(4, 3, 0.., || (), make).unwrap();
    for taken in 0..6 {
        std::thread::sleep(Duration::from_millis(30));
        assert_eq!(started.load(Ordering::SeqCst), taken + 3);
        assert_eq!(loader.next().unwrap().unwrap(), taken);
    }
}

#[test]
fn dropping_stops_the_workers() {
    let alive = Arc::new(());
    let held = alive.clone();
    let loader = Loader::spawn(
        3,
        2,
        0..,
        || (),
        move |_, job: usize| {
            let _held = &held;
            std::thread::sleep(Duration::from_millis(1));
            Ok::<_, Infallible>(job)
        },
    )
    .unwrap();
    let start = Instant::now();
    drop(loader);
    assert!(start.elapsed() < Duration::from_secs(2));
    // The closure is gone, so every thread that held it has ended.
    assert_eq!(Arc::strong_count(&alive), 1);
}

#[test]
fn failures_stand_in_their_place_and_panics_name_the_job() {
    for workers in [1, 3] {
        let make = |fresh: &mut bool, job: usize| {
            let was_fresh = std::mem::replace(fresh, false);
            match job {
                3 => Err(Broken(job)),
                5 => panic!("lost item {job}"),
                _ => Ok((job, was_fresh)),
            }
        };
        let items: Vec<_> = Loader::spawn(workers, 4, 0..8usize, || true, make)
            .unwrap()
            .collect();
        assert_eq!(items.len(), 8);
        let words: Vec<String> = items
            .iter()
            .map(|i| i.as_ref().map_or_else(ToString::to_string, |_| String::new()))
            .collect();
        assert_eq!(words[3], "item 3 is broken");
        assert_eq!(words[5], "5: the worker stopped unexpectedly: lost item 5");
        assert_eq!(items[7].as_ref().unwrap().0, 7);
        if workers == 1 {
            // A worker's memory is made anew after a panic, and only then.
            let fresh: Vec<bool> = items
                .iter()
                .filter_map(|i| i.as_ref().ok())
                .map(|i| i.1)
                .collect();
            assert_eq!(fresh, [true, false, false, false, true, false]);
        }
    }
}

#[test]
fn a_panic_while_choosing_jobs_is_an_error_and_the_end() {
    let jobs = (0..5usize).inspect(|&job| assert!(job < 2, "no job {job}"));
    let items: Vec<_> = Loader::spawn(2, 2, jobs, || (), |_, job| Ok::<_, Infallible>(job))
        .unwrap()
        .collect();
    assert_eq!(items.len(), 3);
    assert!(items[2].as_ref().unwrap_err().to_string().contains("no job 2"));
}

#[test]
fn waiting_is_measured() {
    let make = |_: &mut (), job: usize| {
        std::thread::sleep(Duration::from_millis(40));
        Ok::<_, Infallible>(job)
    };
    let mut slow = Loader::spawn(1, 1, 0..3usize, || (), make).unwrap();
    assert_eq!(slow.by_ref().count(), 3);
    assert!(slow.wait_seconds() > 0.1, "{}", slow.wait_seconds());

    let mut fast = Loader::spawn(1, 4, 0..4usize, || (), |_, job| Ok::<_, Infallible>(job)).unwrap();
    std::thread::sleep(Duration::from_millis(100));
    assert_eq!(fast.by_ref().count(), 4);
    assert!(fast.wait_seconds() < 0.05, "{}", fast.wait_seconds());
}
