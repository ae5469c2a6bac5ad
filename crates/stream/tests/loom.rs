//! Every order in which the writer, the delivery thread and whoever rings its bell may meet: no wake-up is lost.
//!
//! `RUSTFLAGS="--cfg loom" cargo test -p kinescope-stream --release --test loom`
#![cfg(loom)]
#![allow(
    clippy::expect_used,
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

use std::sync::Arc;
use std::time::Duration;

use kinescope_store::context::Context;
use kinescope_store::log_writer::LogWriter;
use kinescope_store::row::{Inherited, Row, SiteRef, TextRef};
use kinescope_store::{Retention, Shared, StoreOptions};
use kinescope_stream::bell::{Bell, Watch};
use loom::sync::atomic::{AtomicBool, Ordering};
use loom::thread;

/// Without a time limit in the models: a wake-up that is lost is a deadlock, which fails them.
const FOREVER: Duration = Duration::from_secs(3600);

fn bounded(model: impl Fn() + Sync + Send + 'static) {
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = Some(2);
    builder.max_branches = 20_000;
    builder.check(model);
}

fn shared() -> Arc<Shared> {
    Arc::new(Shared::new(StoreOptions {
        node: "n".to_owned(),
        segment_events: 4,
        ring_bytes: 64 << 10,
        block_when_full: false,
        retention: Retention::default(),
        config_json: String::new(),
        raw_now_ns: 0,
        raw_now_at: std::time::Instant::now(),
        durability: kinescope_store::Durability::Process,
    }))
}

fn append(log: &mut LogWriter, seq: u64) {
    let row = Row {
        event_id: seq,
        timestamp: seq as i64,
        wall_time: None,
        event_type: TextRef {
            id: None,
            text: "e",
        },
        site: SiteRef::default(),
        node: None,
        pid: None,
        correlation_id: Inherited::Nothing,
        parent_id: Inherited::Nothing,
        tags: &[],
        data: None,
    };
    log.append(&row, &Context::of_thread("p"));
}

#[test]
fn who_follows_the_log_sees_everything_that_is_published() {
    bounded(|| {
        let shared = shared();
        let bell = Arc::new(Bell::default());
        let (followed, own_bell) = (Arc::clone(&shared), Arc::clone(&bell));
        let delivery = thread::spawn(move || {
            loop {
                own_bell.hear();
                let snapshot = followed.snapshot();
                let rows: usize = snapshot.segments().map(|(_, rows)| rows).sum();
                assert_eq!(rows as u64, snapshot.watermark);
                if snapshot.watermark == 2 {
                    return;
                }
                own_bell.sleep(&followed, Watch::Log(snapshot.watermark), FOREVER);
            }
        });
        let mut log = LogWriter::new(Arc::clone(&shared)).unwrap();
        for seq in 0..2 {
            append(&mut log, seq);
            log.publish();
            shared.notify_progress();
        }
        delivery.join().unwrap();
    });
}

#[test]
fn who_is_asked_while_the_log_grows_delivers() {
    bounded(|| {
        let shared = shared();
        let bell = Arc::new(Bell::default());
        let credit = Arc::new(AtomicBool::new(false));
        let delivery = {
            let (shared, bell) = (Arc::clone(&shared), Arc::clone(&bell));
            let credit = Arc::clone(&credit);
            thread::spawn(move || {
                let mut cursor = 0;
                while cursor == 0 {
                    bell.hear();
                    let watermark = shared.snapshot().watermark;
                    let is_asked = credit.load(Ordering::Acquire);
                    if is_asked && watermark > 0 {
                        cursor = watermark;
                    } else {
                        let watch = if is_asked {
                            Watch::Log(watermark)
                        } else {
                            Watch::End
                        };
                        bell.sleep(&shared, watch, FOREVER);
                    }
                }
                cursor
            })
        };
        let consumer = {
            let (shared, bell, credit) =
                (Arc::clone(&shared), Arc::clone(&bell), Arc::clone(&credit));
            thread::spawn(move || {
                credit.store(true, Ordering::Release);
                bell.ring(&shared);
            })
        };
        let mut log = LogWriter::new(Arc::clone(&shared)).unwrap();
        append(&mut log, 0);
        log.publish();
        shared.notify_progress();
        consumer.join().unwrap();
        assert_eq!(delivery.join().unwrap(), 1);
    });
}

#[test]
fn the_end_of_the_log_wakes_who_waits_for_it_and_leaves_the_log_to_late_readers() {
    bounded(|| {
        let shared = shared();
        let bell = Arc::new(Bell::default());
        let mut log = LogWriter::new(Arc::clone(&shared)).unwrap();
        append(&mut log, 0);
        log.publish();
        let delivery = {
            let shared = Arc::clone(&shared);
            thread::spawn(move || {
                let Ok(reader) = shared.read_on() else {
                    return 1;
                };
                while !shared.is_closed() {
                    bell.hear();
                    if !shared.is_closed() {
                        bell.sleep(&shared, Watch::End, FOREVER);
                    }
                }
                let rows = shared.snapshot().segments().count();
                drop(reader);
                rows
            })
        };
        shared.set_closed();
        assert_eq!(delivery.join().unwrap(), 1);
        assert_eq!(shared.snapshot().segments().count(), 0);
    });
}
