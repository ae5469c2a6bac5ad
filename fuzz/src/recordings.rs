//! Real recordings, of which seeds are made.

use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use kinescope_ring::{
    EmitterDefinition, EventHead, ExitReason, FieldType, FieldValue, LossCause, RecordTime, Ring,
    RingWriter, SiteDefinition, SiteRef, Text, ValueWriter,
};
use kinescope_store::{DiskOptions, Durability, ErrorCode, Retention, Store, StoreOptions};

use crate::archive::Archive;
use crate::disk::{CrashPoints, image};
use crate::{PATIENCE, questions, seal};

/// A directory that goes when this does.
pub struct Scratch(PathBuf);

impl Scratch {
    pub fn new() -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        // In memory where there is such a file system: waiting for a disk shows nothing here. Who names another place cleans up
        // there after a crash.
        let memory = PathBuf::from("/dev/shm");
        let root = std::env::var_os("KINESCOPE_FUZZ_SCRATCH").map(PathBuf::from);
        let root = root.or_else(|| memory.is_dir().then_some(memory));
        let root = root.unwrap_or_else(std::env::temp_dir);
        Self(root.join(format!("kinescope-fuzz-{}-{number}", std::process::id())))
    }

    pub fn path(&self) -> &Path {
        &self.0
    }
}

impl Default for Scratch {
    fn default() -> Self {
        Self::new()
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// Options of small segments and the smallest rings; `life` is later for later processes.
pub fn options(segment_events: usize, life: i64) -> StoreOptions {
    StoreOptions {
        node: "node".to_owned(),
        segment_events,
        ring_bytes: 64 << 10,
        block_when_full: false,
        retention: Retention::default(),
        config_json: "{}".to_owned(),
        raw_now_ns: 1_000_000 + life * 1_000_000_000_000,
        raw_now_at: std::time::Instant::now(),
        durability: Durability::Process,
    }
}

pub fn disk(path: &Path) -> DiskOptions {
    DiskOptions {
        path: path.to_owned(),
        rings_in_directory: true,
        memory_bytes: Some(16 << 20),
        probe: None,
    }
}

pub fn head_at(raw_ns: i64) -> EventHead {
    EventHead {
        slot: 0,
        time: RecordTime::Raw(raw_ns),
        parent: None,
    }
}

/// Until everything that the writer has recorded is visible.
pub fn settle(store: &Store, writer: &mut RingWriter) {
    writer.publish();
    wait_visible(store, writer.ring(), writer.head());
}

/// Waits for longer than a store does, whose machine may have no time for it.
pub fn wait_visible(store: &Store, ring: &Ring, head: u32) {
    let end = Instant::now() + PATIENCE;
    while let Err(error) = store.wait_visible(ring, head) {
        assert_eq!(error.code, ErrorCode::ResourceExhausted);
        assert!(Instant::now() < end, "{}", error.message);
    }
}

/// Of an emitter that has a field of each type.
pub const ORDER_FIELDS: [(&str, FieldType); 5] = [
    ("id", FieldType::I64),
    ("amount", FieldType::F64),
    ("paid", FieldType::Bool),
    ("note", FieldType::Utf8),
    ("currency", FieldType::Symbol),
];

/// Records of every kind, and definitions of every kind for them.
pub fn record_kinds(store: &Store, writer: &mut RingWriter) {
    let definitions = store.definitions();
    let site = definitions.define_site(SiteDefinition {
        module: Some("orders"),
        function: Some("place"),
        arity: Some(2),
        file: Some("src/orders.ts"),
        line: Some(7),
    });
    let symbol = definitions.define_string("symbol").unwrap();
    let emitter = definitions.define_emitter(EmitterDefinition {
        event_type: "order",
        fields: &ORDER_FIELDS,
        site,
    });
    record_all_kinds(writer, emitter.unwrap(), symbol, site.unwrap());
}

/// Records of every kind, with ids of definitions.
pub fn record_all_kinds(writer: &mut RingWriter, emitter: u32, symbol: u32, site: u32) {
    let text = Text::Inline;
    let fields = [
        FieldValue::I64(1),
        FieldValue::F64(2.5),
        FieldValue::Bool(true),
        FieldValue::Utf8("a note"),
        FieldValue::Symbol(symbol),
    ];
    writer.context(
        1,
        Some(9),
        Some(text("pid")),
        Some(text("trace")),
        &[("key", "value")],
    );
    let mut head = head_at(10);
    head.slot = 1;
    writer.emit(head, emitter, &fields);
    let cut = [
        FieldValue::F64(3.0),
        FieldValue::Absent,
        FieldValue::Bool(false),
        FieldValue::Utf8Cut("cut"),
        FieldValue::SymbolTextCut("cut"),
    ];
    writer.emit(head_at(11), emitter, &cut);
    let mut data = ValueWriter::new();
    data.object()
        .text(text("args"))
        .array()
        .int32(1)
        .null()
        .f64(0.5)
        .end();
    data.text(Text::Defined(symbol)).bool(true).end();
    writer.enter(head, SiteRef::Defined(site), data.as_bytes());
    let mut result = ValueWriter::new();
    result.object().text(text("result")).u64(u64::MAX).end();
    let reason = ExitReason::Throw;
    writer.exit(head, SiteRef::None, 10, reason, result.as_bytes());
    writer.lose(LossCause::Encoder, 12);
    for number in 0..3 {
        questions::record(writer, number);
    }
}

/// An input of a recording's directory as it is now.
fn seed(path: &Path, flags: u8) -> Vec<u8> {
    let mut archive = Archive::of_directory(path, flags);
    seal::generalize(&mut archive);
    archive.encode()
}

fn record_mixed(store: &Store, numbers: Range<i64>) {
    let (first, second) = (store.add_producer("first"), store.add_producer("second"));
    let mut writers = [first, second].map(|ring| RingWriter::new(ring.unwrap()).unwrap());
    for number in numbers {
        questions::record(&mut writers[(number % 2) as usize], number);
    }
    writers.iter_mut().for_each(|writer| settle(store, writer));
}

/// Closed recordings of one and of two segments.
pub fn closed() -> Vec<Vec<u8>> {
    let recording = |segment_events: usize, events: i64, flags: u8| {
        let scratch = Scratch::new();
        let store = Store::open_on_disk(options(segment_events, 0), &disk(scratch.path())).unwrap();
        record_mixed(&store, 0..events);
        store.close();
        drop(store);
        let _ = std::fs::remove_file(scratch.path().join("lock"));
        seed(scratch.path(), flags)
    };
    vec![
        recording(100, 3, 0),
        recording(100, 60, 0),
        recording(10, 15, 0),
        recording(100, 40, 2),
    ]
}

/// Recordings as killed processes leave them: with rings that nobody has drained, an open segment, sealed ones, losses,
/// contexts and definitions.
pub fn crashed() -> Vec<Vec<u8>> {
    let mut seeds = Vec::new();
    for (segment_events, events, steps) in
        [(100, 0, 0), (100, 8, 0), (4, 10, 0), (4, 10, 1), (4, 6, 3)]
    {
        let (scratch, killed) = (Scratch::new(), Scratch::new());
        let points = CrashPoints::new(scratch.path(), killed.path());
        let mut kept = disk(scratch.path());
        kept.probe = Some(points.probe());
        let store = Store::open_on_disk(options(segment_events, 0), &kept).unwrap();
        if events > 0 {
            record_mixed(&store, 0..events);
        }
        let ring = store.add_producer("thread").unwrap();
        let mut writer = RingWriter::new(ring).unwrap();
        settle(&store, &mut writer);
        let work = || {
            record_kinds(&store, &mut writer);
            writer.publish();
            store.wake();
        };
        if points
            .crash("kinescope-writer", steps, work, || false)
            .is_some()
        {
            seeds.push(seed(killed.path(), 0));
        }
        store.close();
    }
    let (scratch, running) = (Scratch::new(), Scratch::new());
    let store = Store::open_on_disk(options(10, 0), &disk(scratch.path())).unwrap();
    record_mixed(&store, 0..15);
    image(scratch.path(), running.path());
    seeds.push(seed(running.path(), 0));
    store.close();
    seeds
}
