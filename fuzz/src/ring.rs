//! A ring whose memory somebody else has filled: drained by its reader, and by a store's writer.
//!
//! An input is flags, two bytes of the first sequence number, the header's first bytes (a number in front of them says how many)
//! and the data area.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use kinescope_ring::{
    Definitions, EmitterDefinition, FieldType, Publication, Ring, RingReader, RingState,
    RingWriter, SiteDefinition, layout,
};
use kinescope_store::Store;

use crate::recordings::{ORDER_FIELDS, options, record_all_kinds, wait_visible};
use crate::sink::DecodingSink;
use crate::{journal, take, take_bytes};

/// The reader follows the published head, not commit words.
const PUBLISHED: u8 = 1;
/// The producer is alive.
const ALIVE: u8 = 2;
/// A ring that wraps soon.
const SMALL: u8 = 4;
/// Drained by a store as well.
const STORED: u8 = 8;
const HEADER_BYTES: usize = 152;
const SMALL_WORDS: u32 = 64;
const WORDS: u32 = 1024;

pub fn run(mut input: &[u8]) {
    let [flags] = take(&mut input);
    let first_sequence = u64::from(u16::from_le_bytes(take(&mut input)));
    let header = take_bytes(&mut input);
    let publication = if flags & PUBLISHED > 0 {
        Publication::PublishedHead
    } else {
        Publication::CommitWords
    };
    let words = if flags & SMALL > 0 {
        SMALL_WORDS
    } else {
        WORDS
    };
    let ring = Ring::with_capacity_words(3, words, first_sequence, publication).unwrap();
    ring.set_state(RingState::Recording);
    let mut reader = RingReader::new(Arc::clone(&ring)).unwrap();
    fill(&ring, header, input);
    let definitions = definitions();
    let mut sink = DecodingSink::new(&definitions, first_sequence);
    for _ in 0..4 {
        reader.read(100, &mut sink);
        reader.report_pending_loss(&mut sink);
        reader.release();
        if flags & ALIVE == 0 {
            reader.read_dead(100, &mut sink);
        }
        assert_eq!(sink.next_sequence, reader.next_sequence());
    }
    if flags & STORED > 0 {
        store(publication, header, input);
    }
}

/// What [`run`] decodes with.
pub fn definitions() -> Definitions {
    let definitions = Definitions::new();
    let site = definitions.define_site(SiteDefinition {
        module: Some("module"),
        function: Some("function"),
        arity: Some(1),
        file: None,
        line: Some(3),
    });
    definitions.define_string("$cut");
    definitions.define_emitter(EmitterDefinition {
        event_type: "order",
        fields: &ORDER_FIELDS,
        site,
    });
    definitions
}

/// Puts bytes where a producer would; the first record's commit word comes last, as a reader may be looking already.
fn fill(ring: &Ring, header: &[u8], data: &[u8]) {
    let header = &header[..header.len().min(HEADER_BYTES)];
    let data = &data[..data.len().min(ring.len_bytes() - layout::HEADER_BYTES)];
    let (first, rest) = data.split_at(data.len().min(8));
    let put = |offset: usize, bytes: &[u8]| {
        assert!(offset + bytes.len() <= ring.len_bytes());
        // SAFETY: in bounds by the assertion. Until the commit word below is there, a reader loads only atomics of the header.
        unsafe {
            std::ptr::copy_nonoverlapping(bytes.as_ptr(), ring.as_ptr().add(offset), bytes.len())
        };
    };
    // Both sides keep what tells the ring's length.
    if let Some(header) = header.get(layout::OFFSET_ATTEMPTS..) {
        put(layout::OFFSET_ATTEMPTS, header);
    }
    put(layout::HEADER_BYTES + first.len(), rest);
    let mut word = [0; 8];
    word[..first.len()].copy_from_slice(first);
    // SAFETY: the data area begins on a word boundary, is at least a word long and lives as long as the ring.
    let commit = unsafe { AtomicU64::from_ptr(ring.as_ptr().add(layout::HEADER_BYTES).cast()) };
    commit.store(u64::from_le_bytes(word), Ordering::Release);
}

/// Every attempt becomes a row or a loss, and the rows are what Arrow says that they are.
fn store(publication: Publication, header: &[u8], data: &[u8]) {
    let store = Store::open_with(options(8, 0), publication).unwrap();
    record_defined(&store);
    let ring = store.add_producer("hostile").unwrap();
    fill(&ring, header, data);
    store.remove_producer(&ring);
    let other = store.add_producer("other").unwrap();
    wait_visible(&store, &other, other.tail());
    let snapshot = store.snapshot().unwrap();
    assert_eq!(journal::check_rows(&snapshot), snapshot.watermark);
    store.close();
}

fn record_defined(store: &Store) {
    let definitions = store.definitions();
    for text in ["module", "function", "$cut", "order"] {
        definitions.define_string(text);
    }
    definitions.define_site(SiteDefinition::default());
    let fields = [("id", FieldType::I64), ("note", FieldType::Utf8)];
    definitions.define_emitter(EmitterDefinition {
        event_type: "order",
        fields: &fields,
        site: None,
    });
}

/// Rings that a producer of ours has filled.
pub fn seeds() -> Vec<Vec<u8>> {
    let mut seeds = Vec::new();
    for flags in [
        0,
        PUBLISHED,
        ALIVE,
        SMALL,
        STORED,
        STORED | PUBLISHED,
        PUBLISHED | ALIVE,
    ] {
        let words = if flags & SMALL > 0 {
            SMALL_WORDS
        } else {
            WORDS
        };
        let publication = if flags & PUBLISHED > 0 {
            Publication::PublishedHead
        } else {
            Publication::CommitWords
        };
        let ring = Ring::with_capacity_words(3, words, 5, publication).unwrap();
        ring.set_state(RingState::Recording);
        let mut writer = RingWriter::new(Arc::clone(&ring)).unwrap();
        record_all_kinds(&mut writer, 0, 0, 0);
        writer.publish();
        let used = layout::HEADER_BYTES + (writer.head().min(words) as usize) * layout::WORD_BYTES;
        // SAFETY: within the ring, which nobody else knows.
        let memory = unsafe { std::slice::from_raw_parts(ring.as_ptr(), used) };
        let mut seed = vec![flags, 5, 0];
        seed.extend((HEADER_BYTES as u16).to_le_bytes());
        seed.extend(&memory[..HEADER_BYTES]);
        seed.extend(&memory[layout::HEADER_BYTES..]);
        seeds.push(seed);
    }
    seeds
}
